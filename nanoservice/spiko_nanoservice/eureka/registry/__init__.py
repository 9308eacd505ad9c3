"""Pure: what one eureka knows. Events and the time go in, effects come out; no socket, no clock."""
