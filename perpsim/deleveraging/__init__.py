"""Deleveraging by list, off chain: the policies' arithmetic, packed lists, rank lights, the audit."""
