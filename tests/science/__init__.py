"""Tests of stedi.science."""
