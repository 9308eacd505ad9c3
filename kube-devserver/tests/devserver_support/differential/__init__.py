"""Helpers of the differential suite: two servers, the calls that both get, and the comparison of their
answers.
"""
