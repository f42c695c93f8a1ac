"""Videos: tables of files, decoding, fixed-length clips, and the embedded benchmark.

Import the modules (`table`, `decode`, `clips`, `embedded`, `scenes`) directly.
"""
