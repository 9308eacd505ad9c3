"""Pure: reports of eurekas, added up and drawn.

No clock, no I/O, no asyncio; import-linter checks the folder.
"""
