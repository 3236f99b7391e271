"""The data of each kind of task, opened for one seed; with torch, which only training needs."""
