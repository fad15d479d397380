// The tables, with the columns and the index that listing_stats keeps and uses.  What no schema has, drizzle-kit push drops.
import { bigint, bigserial, index, numeric, pgTable, text, timestamp } from "drizzle-orm/pg-core";

export const listing = pgTable("listing", {
  id: bigint({ mode: "number" }).primaryKey(),
  title: text().notNull(),
  // Kept by listing_stats: read them, and leave them out of what you write.
  lastPrice: numeric("last_price", { precision: 10, scale: 2 }),
  lastPriceAt: timestamp("last_price_at", { withTimezone: true }),
  priceCount: bigint("price_count", { mode: "number" }).notNull().default(0),
});

export const price = pgTable(
  "price",
  {
    id: bigserial({ mode: "number" }).primaryKey(),
    listingId: bigint("listing_id", { mode: "number" }).notNull().references(() => listing.id),
    created: timestamp({ withTimezone: true }).notNull().defaultNow(),
    value: numeric({ precision: 10, scale: 2 }),
  },
  // attach() takes this index.  Without nullsFirst() it would not fit, and attach() would make another.
  (table) => [
    index("price_latest").on(table.listingId, table.created.desc().nullsFirst(), table.id.desc().nullsFirst(), table.value),
  ],
);
