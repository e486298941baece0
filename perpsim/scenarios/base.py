"""What all parts of a scenario file share: strict, frozen models and their number types."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
#: number of a market in the order of the file
MarketNumber = Annotated[int, Field(ge=0, le=7)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Model(BaseModel):
    """Strict: a string is no number, a number no truth value; nothing can be changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, dict | BaseModel) else value


#: beside `list[...]`: a single table stands for a list of one
OneOrMore = BeforeValidator(_listed)
