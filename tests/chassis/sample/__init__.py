"""A small service of boxes that the chassis is tested with; its proto is compiled when the tests start."""
