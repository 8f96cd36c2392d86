"""Sources of every kind, as a project declares them."""

from datetime import datetime

import mulle


class Order(mulle.Schema):
    id: int
    updated_at: datetime
    price: float = mulle.column(minimum=0)


orders = mulle.dataset(
    "orders",
    source=mulle.sql("postgresql://shop:${SHOP_PASSWORD}@db/shop", "orders", cursor="updated_at"),
    key=["id"],
    event_time="updated_at",
    expect=Order,
)
deliveries = mulle.dataset("deliveries", source=mulle.files("incoming/*.csv", changed="replace"))
rates = mulle.dataset("rates", source=mulle.http("https://rates.example/daily.csv", every="1h"))
readings = mulle.dataset("readings", source=mulle.objects("s3://sensors/2024/**/*.parquet"))
visits = mulle.dataset("visits", source=mulle.lines("/var/log/shop/visits.jsonl"), event_time="at")


def parse(line: str) -> dict[str, object] | None:
    """`12:00:01 GET /cart 200` as a row; other lines are no rows."""
    at, _, path, status = line.split()
    return {"at": at, "path": path, "status": int(status)} if path != "/health" else None


requests = mulle.dataset("requests", source=mulle.lines("requests.log", parse=parse))
