// The functions of listing_stats for Drizzle, with the types in which node-postgres hands on what they give: numeric and
// bigint are strings, which lose nothing; JSON has numbers of JavaScript.
import { sql, type AnyColumn, type SQL } from "drizzle-orm";
import type { NodePgDatabase } from "drizzle-orm/node-postgres";

type Value = AnyColumn | SQL | SQL.Aliased;

/** What JSON has no number for is a string; null of none. */
export type Statistic = number | "NaN" | "Infinity" | "-Infinity" | null;

export interface Summary {
  count: number;
  nulls: number;
  min: Statistic;
  q1: Statistic;
  median: Statistic;
  q3: Statistic;
  max: Statistic;
  mean: Statistic;
  stddev: Statistic;
  sum: Statistic;
}

/** Exact, null of none: db.select({ median: median(listing.lastPrice) }).from(listing) */
export const median = (v: Value) => sql<string | null>`listing_stats.median(${v})`;

/** Exact and interpolated; p from 0 to 1. */
export const percentile = (v: Value, p: number) =>
  sql<string | null>`listing_stats.percentile(listing_stats.price_stats(${v}), ${p}::numeric)`;

/** All of them at once, as numbers of JavaScript where they are numbers. */
export const priceSummary = (v: Value) => sql<Summary>`listing_stats.price_stats_json(${v})`;

export interface LatestPrice {
  key: string;
  at: Date | null;
  value: string | null;
}

/** The latest price of each of these listings, or of all, now or as of a time. */
export async function latestPrices(
  db: NodePgDatabase<any>, table: string, keys: (number | bigint | string)[] | null = null, asOf: Date | null = null,
): Promise<LatestPrice[]> {
  // Drizzle makes a list of an array, unless it is a parameter; and PostgreSQL has to be told of which type.
  const result = await db.execute<{ key: string; at: Date | string | null; value: string | null }>(sql`
    SELECT key, at, value
    FROM listing_stats.latest_prices(${table}, ${sql.param(keys?.map(String) ?? null)}::bigint[], ${asOf?.toISOString() ?? null}::timestamptz)`);
  return result.rows.map((row) => ({ ...row, at: row.at === null ? null : new Date(row.at) }));
}
