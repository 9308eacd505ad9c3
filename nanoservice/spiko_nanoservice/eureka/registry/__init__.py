"""Pure: the registry of one eureka.

Events and the time go in, effects come out; it uses no socket and no clock.
"""
