CREATE TABLE "listing" (
	"id" bigint PRIMARY KEY NOT NULL,
	"title" text NOT NULL,
	"last_price" numeric(10, 2),
	"last_price_at" timestamp with time zone,
	"price_count" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "price" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"listing_id" bigint NOT NULL,
	"created" timestamp with time zone DEFAULT now() NOT NULL,
	"value" numeric(10, 2)
);
--> statement-breakpoint
ALTER TABLE "price" ADD CONSTRAINT "price_listing_id_listing_id_fk" FOREIGN KEY ("listing_id") REFERENCES "public"."listing"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "price_latest" ON "price" USING btree ("listing_id","created" DESC NULLS FIRST,"id" DESC NULLS FIRST,"value");