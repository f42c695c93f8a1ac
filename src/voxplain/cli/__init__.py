"""Commands of ``python -m voxplain``, a module each with ``main(arguments) -> exit code``."""
