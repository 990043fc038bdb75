"""Procurement's aggregates: tables with the methods that change them and the events these cause."""
