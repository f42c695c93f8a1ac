"""Data sets: adapters that turn a place on disk into a video table.

An adapter is a function of the data set's place (a file or folder) and its own options that returns
a table with the columns path, class, split and optionally start and end, in seconds. It need not
check the table; `voxplain.videos.table.read_video_table` does.
"""

from __future__ import annotations

from voxplain.registry import Registry

DATASETS = Registry("data set", "voxplain.videos.adapters")
