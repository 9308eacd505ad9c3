"""The nanoservice: one container for every role of a tier, and for the eureka registry."""
