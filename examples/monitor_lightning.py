"""
Retain unique information: Lightning
====================================

The same as in the plain loop, as a callback. It needs ``lightning`` (``pip install lightning``); where that is not
installed, this example says so and ends.
"""

# sphinx_gallery_thumbnail_path = 'generated/study/training.svg'
import torch

from alignscope.datasets import example_pair
from alignscope.nn import Budget, Monitor, RegressionAlignment, TwoTowers, initialise
from alignscope.nn.encoders import LinearEncoder
from alignscope.nn.objectives import regression_loss

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

try:
    import lightning.pytorch as pl
except ImportError:
    pl = None
    print("Lightning is not installed: pip install lightning, then run this again.")

# %%
# ``training_step`` returns the embeddings with the loss. The callback monitors them, and sets the alignment weight
# after every epoch; what the budget has learnt goes into the checkpoints.

if pl is not None:

    class KeepWhatIsUnique(pl.Callback):
        def __init__(self, monitor, budget):
            self.monitor, self.budget = monitor, budget

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            self.monitor.add(z=outputs["z"], y=outputs["y"])

        def on_train_epoch_end(self, trainer, pl_module):
            self.report = self.monitor.end_epoch()
            pl_module.alignment_weight = self.budget.update(self.report)
            self.monitor.reference = self.budget.reference or None
            pl_module.log_dict(self.report.scalars())  # to whatever logger the trainer has

        def state_dict(self):
            return self.budget.state_dict()

        def load_state_dict(self, state_dict):
            self.budget.load_state_dict(state_dict)

    class Sensors(pl.LightningModule):
        alignment_weight = 0.0

        def __init__(self):
            super().__init__()
            align = RegressionAlignment(2, 2, gauge="whitened")
            self.towers = TwoTowers(LinearEncoder(8, 2), LinearEncoder(6, 2), 2, 2, align)
            initialise(self.towers, seed=0)

        def training_step(self, batch, batch_idx):
            x1, x2, y1, y2 = batch
            out = self.towers(x1, x2)
            task = regression_loss(out.y1, y1) + regression_loss(out.y2, y2)
            loss = task + self.alignment_weight * self.towers.alignment(out.z1, out.z2)
            targets = {"chlorophyll": y1[:, 1], "roughness": y2[:, 1]}
            return {"loss": loss, "z": {"optical": out.z1, "radar": out.z2}, "y": targets}

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=0.02)


# %%
# Without a reference, the first ten epochs go without alignment; what is predicted then is what must be retained.

if pl is not None:
    pair = example_pair(n=4000)
    columns = [
        torch.from_numpy((m - m.mean(axis=0)) / m.std(axis=0)).float() for m in (pair.x1, pair.x2, pair.y1, pair.y2)
    ]
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*columns), batch_size=200, shuffle=True)
    callback = KeepWhatIsUnique(Monitor({"chlorophyll": 1, "roughness": 1}), Budget(epsilon=0.1, warmup=10))
    pl.seed_everything(0)
    trainer = pl.Trainer(
        max_epochs=40,
        accelerator="cpu",
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Sensors(), loader)
    print(callback.report)
    kept = callback.report.r2["chlorophyll from optical"] / callback.budget.reference["chlorophyll from optical"]
    assert kept > 0.85
    assert callback.budget.weight > 0
