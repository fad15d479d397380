// Needs a server that has the extension, at PGHOST, and a role that may make a database.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { asc, eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { latestPrices, median, percentile, priceSummary, type Statistic, type Summary } from "../listing_stats.ts";
import { listing, price } from "../schema.ts";

const database = "listing_stats_node";
const admin = new pg.Client({ database: process.env.PGDATABASE ?? "postgres" });
const pool = new pg.Pool({ database, options: "-c timezone=UTC" });
const db = drizzle(pool);

function drizzleKit(command: string, more: Record<string, string> = {}, ...options: string[]) {
  const run = spawnSync(process.execPath, ["node_modules/drizzle-kit/bin.cjs", command, ...options],
    { env: { ...process.env, PGDATABASE: database, ...more }, encoding: "utf8" });
  assert.equal(run.status, 0, run.stdout + run.stderr);
  return run.stdout;
}

const rows = async (text: string, values: unknown[] = []) => (await pool.query(text, values)).rows;
const attached = () => rows("SELECT last_price, last_price_at, price_count, index::text, warnings FROM listing_stats.attachments");
const columns = async (table: string) => (await rows(
  "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped", [table])).map((row) => row.attname);

async function tryTo(text: string, values: unknown[]) {
  try {
    return await rows(text, values);
  } catch (error) {
    return (error as pg.DatabaseError).code;
  }
}

before(async () => {
  await admin.connect();
  await admin.query(`DROP DATABASE IF EXISTS ${database}`);
  await admin.query(`CREATE DATABASE ${database}`);
  drizzleKit("migrate");
  await db.insert(listing).values([{ id: 1, title: "city bike" }, { id: 2, title: "road bike" }, { id: 3, title: "tent" }, { id: 4, title: "none" }]);
  await db.insert(price).values([
    { listingId: 1, created: new Date("2026-01-05"), value: "250" },
    { listingId: 1, created: new Date("2026-02-09"), value: "199.99" },
    { listingId: 2, created: new Date("2026-01-20"), value: "480" },
    { listingId: 3, created: new Date("2026-02-01"), value: "80" },
  ]);
});

after(async () => {
  await pool.end();
  await admin.query(`DROP DATABASE IF EXISTS ${database}`);
  await admin.end();
});

test("the migration attaches, and takes the index of the schema", async () => {
  assert.deepEqual(await attached(), [
    { last_price: "last_price", last_price_at: "last_price_at", price_count: "price_count", index: "price_latest", warnings: [] }]);
});

test("kept columns are read as others, with these types", async () => {
  const found = await db.select().from(listing).orderBy(asc(listing.lastPrice));
  const [first] = found;
  const [title, value, at, count]: [string, string | null, Date | null, number] = [
    first.title, first.lastPrice, first.lastPriceAt, first.priceCount];
  assert.deepEqual([title, value, at, count], ["tent", "80.00", new Date("2026-02-01"), 1]);
  assert.deepEqual(found.map((row) => row.lastPrice), ["80.00", "199.99", "480.00", null]);
});

test("a write of an old object does no harm", async () => {
  const [old] = await db.select().from(listing).where(eq(listing.id, 1));
  await db.insert(price).values({ listingId: 1, value: "175", created: new Date("2026-03-01") });
  await db.update(listing).set({ ...old, title: "city bike, red" }).where(eq(listing.id, 1));
  const now = () => db.select().from(listing).where(eq(listing.id, 1));
  assert.deepEqual((await now()).map((row) => [row.title, row.lastPrice, row.priceCount]), [["city bike, red", "175.00", 3]]);
  await db.delete(price).where(eq(price.value, "175"));
  assert.equal((await now())[0].lastPrice, "199.99");
});

test("statistics are typed", async () => {
  const [all] = await db.select({
    median: median(listing.lastPrice), p90: percentile(listing.lastPrice, 0.9), summary: priceSummary(listing.lastPrice),
    part: percentile(sql`${listing.lastPrice} * 2`, 0),
  }).from(listing);
  const typed: { median: string | null; p90: string | null; summary: Summary; part: string | null } = all;
  assert.deepEqual([typed.median, typed.p90, typed.part], ["199.99", "423.998", "160.00"]);
  assert.deepEqual([typed.summary.count, typed.summary.nulls, typed.summary.max], [3, 1, 480]);
  const value = (text: string) => ({ summary: priceSummary(sql`${text}::numeric`) });
  for (const text of ["NaN", "Infinity", "-Infinity"] as const) {
    const [{ summary }] = await db.select(value(text)).from(price).limit(1);
    const max: Statistic = summary.max;
    assert.equal(max, text);
  }
  const groups = await db.select({ bike: sql<boolean>`title LIKE '%bike%'`, median: median(listing.lastPrice) }).from(listing)
    .groupBy(sql`1`).orderBy(sql`1`);
  assert.deepEqual(groups, [{ bike: false, median: "80.00" }, { bike: true, median: "339.995" }]);
});

test("latest prices", async () => {
  const sorted = async (...more: [(number[] | null)?, Date?]) =>
    (await latestPrices(db, "price", ...more)).sort((a, b) => Number(a.key) - Number(b.key)).map((row) => [row.key, row.value]);
  assert.deepEqual(await sorted(), [["1", "199.99"], ["2", "480.00"], ["3", "80.00"]]);
  assert.deepEqual(await sorted([1, 3]), [["1", "199.99"], ["3", "80.00"]]);
  assert.deepEqual(await sorted([1, 3], new Date("2026-01-10")), [["1", "250.00"]]);
  assert.ok((await latestPrices(db, "price", [1]))[0].at instanceof Date);
  // A price without a time is the latest only where there is no other.
  await rows("CREATE TABLE undated (id serial PRIMARY KEY, listing_id bigint, created timestamptz, value numeric)");
  try {
    await rows("INSERT INTO undated (listing_id, value) VALUES (9, 5)");
    await rows("SELECT listing_stats.keep_latest('undated', 'latest_undated', key => 'listing_id')");
    const [{ at }]: { at: Date | null }[] = await latestPrices(db, "undated");
    assert.equal(at, null);
  } finally {
    await rows("DROP TABLE IF EXISTS undated, latest_undated");
  }
});

// What docs/applications.md says of casts and types.
test("parameters without types", async () => {
  const s = "listing_stats.";
  const keys = [1, 3];
  const calls: [string, string, unknown[], string, string?][] = [
    // function, call, values, without a cast: "ok" or an error; the call with the cast that helps
    ["latest_prices", `SELECT value FROM ${s}latest_prices($1, $2)`, ["price", keys], "42725",
      `SELECT value FROM ${s}latest_prices($1, $2::bigint[])`],
    ["latest_prices", `SELECT value FROM ${s}latest_prices($1)`, ["price"], "ok"],
    ["latest_prices", `SELECT value FROM ${s}latest_prices($1, as_of => $2)`, ["price", new Date()], "ok"],
    ["latest_rows", `SELECT value FROM ${s}latest_rows(NULL::price, $1)`, [keys], "ok"],
    ["latest_price", `SELECT ${s}latest_price($1, $2)`, ["price", 1], "ok", `SELECT ${s}latest_price($1, $2::bigint)`],
    ["price_history_json", `SELECT ${s}price_history_json($1, $2)`, ["price", 1], "ok"],
    ["price_history_json", `SELECT ${s}price_history_json($1, $2, $3)`, ["price", 1, 5], "ok"],
    ["read_price_history", `SELECT ${s}read_price_history($1, $2)`, ["price", 1], "ok"],
    ["percentile", `SELECT ${s}percentile(${s}price_stats(last_price), $1) FROM listing`, [0.9], "ok"],
    ["percentiles", `SELECT ${s}percentiles(${s}price_stats(last_price), $1) FROM listing`, [[0.1, 0.9]], "ok"],
    ["median", `SELECT ${s}median($1)`, ["{1, 2}"], "42725", `SELECT ${s}median($1::${s}price_distribution)`],
    ["merge", `SELECT ${s}merge($1, $2)`, ["{1}", "{2}"], "42725", `SELECT ${s}merge($1::${s}price_distribution, $2)`],
    ["attach", `SELECT ${s}attach($1, $2, key => $3, carry => $4)`, ["listing", "price", "listing_id", null], "ok"],
    ["verify", `SELECT ${s}verify($1, $2)`, ["listing", "price"], "ok"],
    ["refresh", `CALL ${s}refresh($1, $2, $3)`, ["listing", "price", 100], "ok"],
    ["detach", `SELECT ${s}detach($1, $2, $3)`, ["listing", "price", "title"], "ok"],
    // It is resolved, and Citus is missing.
    ["attach_distributed", `CALL ${s}attach_distributed($1, $2, key => $3)`, ["listing", "price", "listing_id"], "0A000"],
    ["keep_latest", `SELECT ${s}keep_latest($1, $2, key => $3)`, ["price", "newest", "listing_id"], "ok"],
  ];
  for (const [, call, values, result, cast] of calls) {
    const found = await tryTo(call, values);
    assert.equal(Array.isArray(found) ? "ok" : found, result, call);
    if (cast) assert.ok(Array.isArray(await tryTo(cast, values)), cast);
  }
  await rows("DROP TABLE newest");
  // None that takes an array, a key, or keys is forgotten.
  const names = await rows(`
    SELECT DISTINCT proname FROM pg_proc
    WHERE pronamespace = 'listing_stats'::regnamespace AND proname !~ '^_' AND prokind <> 'a'
      AND (proargnames[1:pronargs] && '{key,keys}' OR EXISTS (SELECT FROM unnest(proargtypes) t WHERE format_type(t, NULL) LIKE '%[]'))`);
  for (const { proname } of names) assert.ok(calls.some(([name]) => name === proname), proname);
});

test("types", async () => {
  const [summary] = await rows("SELECT (listing_stats.price_summary(last_price)).* FROM listing");
  assert.deepEqual([summary.count, summary.median], ["3", "199.99"]);
  const [{ json }] = await rows("SELECT listing_stats.price_stats_json(last_price) AS json FROM listing");
  assert.deepEqual([json.count, json.median], [3, 199.99]);
  const [{ history }] = await rows("SELECT listing_stats.price_history_json('price', 1, 1) AS history");
  assert.deepEqual(history, [{ created: "2026-02-09T00:00:00+00:00", value: 199.99 }]);
  const [latest] = await rows("SELECT * FROM listing_stats.latest_prices('price', ARRAY[1])");
  assert.deepEqual(latest, { key: "1", at: new Date("2026-02-09"), value: "199.99" });
  const [set] = await rows(`SELECT listing_stats.price_stats(last_price) AS set, listing_stats.read_price_history('price', 2) AS history,
    listing_stats.percentiles(listing_stats.price_stats(last_price), '{0.5}') FROM listing`);
  assert.equal(set.set, "{80.00, 199.99, 480.00, null}");
  assert.equal(typeof set.history, "string");
  assert.deepEqual(set.percentiles, [199.99]);
  const notices: string[] = [];
  const client = await pool.connect();
  client.on("notice", (notice) => notices.push(notice.message ?? ""));
  await client.query("SELECT listing_stats.detach('listing', 'price', 'title')");
  client.release(true);
  assert.deepEqual(notices, ['column "title" of table "listing" is not kept']);
});

test("introspection and push keep the columns", async () => {
  const before = await attached();
  assert.match(drizzleKit("push"), /No changes detected/);
  assert.deepEqual(await attached(), before);
  const out = mkdtempSync("pulled-");
  try {
    drizzleKit("pull", { OUT: `./${out}` });
    const pulled = readFileSync(`${out}/schema.ts`, "utf8");
    for (const name of ["lastPrice", "lastPriceAt", "priceCount", "price_latest"]) assert.match(pulled, new RegExp(name));
    assert.match(drizzleKit("push", { SCHEMA: `./${out}/schema.ts` }), /No changes detected/);
    assert.deepEqual(await attached(), before);

    // A schema that lacks a column drops it, and nothing else breaks.
    const lacking = readFileSync("schema.ts", "utf8").replace(/.*last_price.*\n/g, "").replace(/.*price_count.*\n/, "");
    writeFileSync(`${out}/lacking.ts`, lacking);
    drizzleKit("push", { SCHEMA: `./${out}/lacking.ts` }, "--force");
    assert.deepEqual(await columns("listing"), ["id", "title"]);
    assert.deepEqual(await attached(), []);
    await db.insert(price).values({ listingId: 2, value: "5" });
  } finally {
    rmSync(out, { recursive: true });
  }
});
