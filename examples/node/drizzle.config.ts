// PGHOST and the like say where the server is; a socket's directory will do.
import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  schema: process.env.SCHEMA ?? "./schema.ts",
  out: process.env.OUT ?? "./migrations",
  dbCredentials: {
    host: process.env.PGHOST ?? "localhost",
    port: Number(process.env.PGPORT ?? 5432),
    user: process.env.PGUSER,
    password: process.env.PGPASSWORD,
    database: process.env.PGDATABASE ?? "listings",
    ssl: false,
  },
  schemaFilter: ["public"],
});
