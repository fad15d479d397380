# What docs/applications.md says of Rails: a migration, schema.rb, types and casts.  With ActiveRecord alone, on the
# database that PGHOST and the like point at, which is empty.
require "active_record"
require "bigdecimal"
require "minitest/autorun"
require "stringio"

DATABASE = { adapter: "postgresql", database: ENV.fetch("PGDATABASE") }
ActiveRecord::Base.establish_connection(DATABASE)
ActiveRecord::Base.default_timezone = :utc if ActiveRecord::Base.respond_to?(:default_timezone=)
ActiveRecord::Migration.verbose = false

class Tables < ActiveRecord::Migration[6.1]
  def change
    create_table(:listings) { |t| t.text :title }
    create_table(:prices) do |t|
      t.references :listing, foreign_key: true
      t.datetime :created_at, null: false
      t.decimal :value, precision: 10, scale: 2
    end
  end
end

class AttachPrices < ActiveRecord::Migration[6.1]
  def up
    enable_extension "listing_stats"
    add_column :listings, :last_price, :decimal, precision: 10, scale: 2
    execute "SELECT listing_stats.attach('listings', 'prices', at => 'created_at')"
  end

  def down
    execute "SELECT listing_stats.detach('listings', 'prices')"
    remove_column :listings, :last_price
  end
end

class Listing < ActiveRecord::Base
  has_many :prices
  attr_readonly :last_price
end

class Price < ActiveRecord::Base
  belongs_to :listing
end

class RailsTest < Minitest::Test
  def connection = ActiveRecord::Base.connection
  def attached = connection.select_value("SELECT count(*) FROM listing_stats.attachments")

  def schema
    output = StringIO.new
    # Of Rails 7.2 on it takes the pool.
    source = ActiveRecord.version < Gem::Version.new("7.2") ? connection : ActiveRecord::Base.connection_pool
    ActiveRecord::SchemaDumper.dump(source, output)
    output.string
  end

  def setup
    connection.drop_table(:prices, if_exists: true)
    connection.drop_table(:listings, if_exists: true)
    Tables.migrate(:up)
    AttachPrices.migrate(:up)
    [Listing, Price].each(&:reset_column_information)
    @bike = Listing.create!(title: "bike")
    @tent = Listing.create!(title: "tent")
    @bike.prices.create!(created_at: "2026-01-05", value: 250)
    @bike.prices.create!(created_at: "2026-02-09", value: "199.99")
    @tent.prices.create!(created_at: "2026-02-01", value: 80)
  end

  def teardown
    AttachPrices.migrate(:down)
  end

  def test_migrates_and_reverses
    assert_equal 1, attached
    AttachPrices.migrate(:down)
    refute_includes connection.columns(:listings).map(&:name), "last_price"
    AttachPrices.migrate(:up)
    assert_equal BigDecimal("199.99"), Listing.find(@bike.id).last_price
  end

  def test_what_others_have_attached_stays_when_it_is_reversed
    connection.create_table(:sensors) { |t| t.text :name }
    connection.create_table(:readings) do |t|
      t.references :sensor, foreign_key: true
      t.datetime :created, null: false
      t.decimal :value
    end
    connection.execute("SELECT listing_stats.attach('sensors', 'readings')")
    AttachPrices.migrate(:down)
    assert_equal 1, attached
    AttachPrices.migrate(:up)
    assert_equal 2, attached
  ensure
    connection.drop_table(:readings, if_exists: true)
    connection.drop_table(:sensors, if_exists: true)
  end

  def test_fixtures_of_a_superuser_come_without_triggers
    connection.execute("SELECT listing_stats.attach('listings', 'prices', replication => 'always')")
    ActiveRecord::Base.establish_connection(**DATABASE, username: "postgres")
    # As fixtures are loaded.
    connection.disable_referential_integrity do
      connection.execute("INSERT INTO prices (listing_id, created_at, value) VALUES (#{@tent.id}, '2026-03-01', 70)")
    end
    assert_equal 80, @tent.reload.last_price
    connection.execute("SELECT listing_stats.attach('listings', 'prices', replication => 'always')")
    assert_equal 70, @tent.reload.last_price
    assert_equal "always", connection.select_value("SELECT replication FROM listing_stats.attachments")
  ensure
    ActiveRecord::Base.establish_connection(DATABASE)
  end

  def test_schema_rb_has_the_column_and_the_index_and_no_triggers
    assert_match(/enable_extension "listing_stats"/, schema)
    assert_match(/t\.decimal "last_price", precision: 10, scale: 2/, schema)
    assert_match(/t\.index \["listing_id", "created_at", "id"(, "value")?\].*order: { created_at: :desc, id: :desc }/, schema)
    refute_match(/trigger|attach/i, schema)
    # What is loaded from it is not attached.
    text = schema
    connection.drop_table(:prices)
    connection.drop_table(:listings)
    connection.execute("DROP EXTENSION listing_stats")
    # That of Rails 7.2 makes the extension's schema first, and the extension does not take one that is there.
    if text.include?("create_schema")
      assert_match(/already exists/, assert_raises(ActiveRecord::StatementInvalid) { eval(text) }.message)
      connection.drop_schema("listing_stats")
      text.sub!(/^ *create_schema "listing_stats"\n/, "")
    end
    eval(text)
    assert_equal 0, attached
    connection.execute("SELECT listing_stats.attach('listings', 'prices', at => 'created_at')")
    # The index that it makes serves.
    assert_equal "prices_listing_id_created_at_id_value_idx", connection.select_value("SELECT index::text FROM listing_stats.attachments")
  end

  def test_columns_and_statistics
    assert_equal ["tent", "bike"], Listing.order(:last_price).pluck(:title)
    assert_equal BigDecimal("80"), @tent.reload.last_price
    median = Listing.pick(Arel.sql("listing_stats.median(last_price)"))
    assert_equal [BigDecimal("139.995"), BigDecimal], [median, median.class]
    summary = Listing.select("(listing_stats.price_summary(last_price)).*").take
    assert_equal [2, BigDecimal("80")], [summary.count, summary.min]
    stats = Listing.pick(Arel.sql("listing_stats.price_stats_json(last_price)"))
    assert_equal [2, 139.995], stats.values_at("count", "median")
  end

  def test_types
    rows = query("SELECT * FROM listing_stats.latest_prices('prices', $1::bigint[])", "{#{@tent.id}}")
    assert_equal [[@tent.id, Time.utc(2026, 2, 1), BigDecimal("80")]], rows
    assert_equal [Integer, Time, BigDecimal], rows[0].map(&:class)
    history = query("SELECT listing_stats.price_history_json('prices', $1)", @tent.id)[0][0]
    assert_equal [80.0], JSON.parse(history).map { |price| price["value"] }
    set, history, percentiles = query(<<~SQL)[0]
      SELECT listing_stats.price_stats(last_price), listing_stats.read_price_history('prices', min(id)),
        listing_stats.percentiles(listing_stats.price_stats(last_price), '{0.5}') FROM listings
    SQL
    assert_equal [String, String], [set.class, history.class]
    assert_equal "{139.995}", percentiles
    median = Listing.select("listing_stats.percentiles(listing_stats.price_stats(last_price), '{0.5}') AS all").take.all
    assert_equal [BigDecimal("139.995")], median
    history = Listing.select("listing_stats.price_history_json('prices', id) AS history").find(@tent.id).history
    assert_equal 80.0, history[0]["value"]
  end

  def test_old_objects
    stale = Listing.find(@tent.id)
    @tent.prices.create!(created_at: "2026-03-01", value: 70)
    stale.update!(title: "tent, red")
    Listing.update_all(last_price: 1)
    assert_equal ["tent, red", 70], [stale.reload.title, stale.last_price]
  end

  def query(sql, *values)
    connection.exec_query(sql, "SQL", values).rows
  end

  def test_parameters_without_types
    keys = "{#{@bike.id},#{@tent.id}}"
    error = assert_raises(ActiveRecord::StatementInvalid) do
      query("SELECT key FROM listing_stats.latest_prices($1, $2)", "prices", keys)
    end
    assert_match(/is not unique/, error.message)
    found = query("SELECT key FROM listing_stats.latest_prices($1, $2::bigint[]) ORDER BY key", "prices", keys)
    assert_equal [[@bike.id], [@tent.id]], found
    assert_equal [[BigDecimal("80")]], query("SELECT listing_stats.latest_price($1, $2)", "prices", @tent.id)
    found = query("SELECT listing_stats.percentile(listing_stats.price_stats(last_price), $1) FROM listings", 0.5)
    assert_equal [[BigDecimal("139.995")]], found
  end
end
