"""Pure decisions of the kubelet: no clock, no I/O, no asyncio. import-linter checks the whole folder."""
