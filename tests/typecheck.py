"""The checker of annotations under pytest: as PEP 484 has it, an int is also a float."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
