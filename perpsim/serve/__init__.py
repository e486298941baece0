"""A local web page that shows an exchange at work: a finished run block by block, or one on a node."""
