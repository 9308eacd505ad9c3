"""The generic container: every tier role, and the eureka registry."""
