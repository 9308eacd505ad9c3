"""Pure: what eurekas report, added up and drawn: no clock, no I/O, no asyncio. import-linter checks the folder."""
