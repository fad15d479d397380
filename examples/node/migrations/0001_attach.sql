CREATE EXTENSION IF NOT EXISTS listing_stats;
--> statement-breakpoint
SELECT listing_stats.attach('listing', 'price', last_price_at => 'last_price_at', price_count => 'price_count');
