"""Networks, one a file. A network is a function of the number of classes, and of options by keyword.

Its traits are the facts of `voxplain.models.base.ModelSpec` that do not depend on options, and
``weights``: functions by name, each of which returns a pretrained state dict.
"""
