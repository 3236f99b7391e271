"""
Retain unique information: Hugging Face Trainer
===============================================

The same as in the plain loop, for ``transformers.Trainer``: the loss is computed in a subclass, and a callback ends the
monitor's epoch. It needs ``transformers`` and ``accelerate``; where they are not installed, this example says so and
ends.
"""

# sphinx_gallery_thumbnail_path = 'generated/alignable/memorising.svg'
import tempfile

import torch

from alignscope.datasets import example_pair
from alignscope.nn import Budget, Monitor, RegressionAlignment, TwoTowers, initialise
from alignscope.nn.encoders import LinearEncoder
from alignscope.nn.objectives import regression_loss

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

try:
    import accelerate  # noqa: F401  the Trainer asks for it
    import transformers
except ImportError:
    transformers = None
    print("The Trainer is not installed: pip install transformers accelerate, then run this again.")

# %%
# The model returns its embeddings and the two terms of its loss; the Trainer's subclass weighs and monitors them.

if transformers is not None:

    class Sensors(torch.nn.Module):
        def __init__(self):
            super().__init__()
            align = RegressionAlignment(2, 2, gauge="whitened")
            self.towers = TwoTowers(LinearEncoder(8, 2), LinearEncoder(6, 2), 2, 2, align)
            initialise(self.towers, seed=0)

        def forward(self, x1, x2, y1, y2):
            out = self.towers(x1, x2)
            task = regression_loss(out.y1, y1) + regression_loss(out.y2, y2)
            return {"task": task, "alignment": self.towers.alignment(out.z1, out.z2), "z1": out.z1, "z2": out.z2}

    class AlignedTrainer(transformers.Trainer):
        monitor: Monitor
        budget: Budget

        def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
            out = model(**inputs)
            if model.training:
                targets = {"chlorophyll": inputs["y1"][:, 1], "roughness": inputs["y2"][:, 1]}
                self.monitor.add(z={"optical": out["z1"], "radar": out["z2"]}, y=targets)
            loss = out["task"] + self.budget.weight * out["alignment"]
            return (loss, out) if return_outputs else loss

    class KeepWhatIsUnique(transformers.TrainerCallback):
        def __init__(self, monitor, budget):
            self.monitor, self.budget = monitor, budget

        def on_epoch_end(self, args, state, control, **kwargs):
            self.report = self.monitor.end_epoch()
            self.budget.update(self.report)
            self.monitor.reference = self.budget.reference or None


# %%
# Without a reference, the first ten epochs go without alignment; what is predicted then is what must be retained.

if transformers is not None:
    pair = example_pair(n=4000)
    columns = {
        name: torch.from_numpy((m - m.mean(axis=0)) / m.std(axis=0)).float()
        for name, m in (("x1", pair.x1), ("x2", pair.x2), ("y1", pair.y1), ("y2", pair.y2))
    }
    samples = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    monitor, budget = Monitor({"chlorophyll": 1, "roughness": 1}), Budget(epsilon=0.1, warmup=10)
    callback = KeepWhatIsUnique(monitor, budget)
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            num_train_epochs=40,
            per_device_train_batch_size=200,
            learning_rate=0.02,
            lr_scheduler_type="constant",
            remove_unused_columns=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            seed=0,
        )
        trainer = AlignedTrainer(model=Sensors(), args=arguments, train_dataset=samples, callbacks=[callback])
        trainer.monitor, trainer.budget = monitor, budget
        trainer.train()
    print(callback.report)
    kept = callback.report.r2["chlorophyll from optical"] / budget.reference["chlorophyll from optical"]
    assert kept > 0.85
    assert budget.weight > 0
