// What docs/applications.md says of JDBC: types and casts.  Run in a database made by tables.sql, with PGHOST, PGUSER
// and PGDATABASE set, by: java -cp postgresql.jar Jdbc.java
import java.io.InputStream;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.OffsetDateTime;
import java.util.Properties;

public class Jdbc {
	static Connection connection;

	// The driver speaks TCP alone, and the test's server a Unix socket.
	static int relay(String path) throws Exception {
		ServerSocket server = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
		Thread accepting = new Thread(() -> {
			try {
				while (true) {
					Socket client = server.accept();
					SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(path));
					copy(client.getInputStream(), channel, null, null);
					copy(null, channel, client.getOutputStream(), client);
				}
			} catch (Exception error) {
				error.printStackTrace();
			}
		});
		accepting.setDaemon(true);
		accepting.start();
		return server.getLocalPort();
	}

	static void copy(InputStream in, SocketChannel channel, OutputStream out, Socket client) {
		Thread copying = new Thread(() -> {
			try {
				if (in != null) {
					byte[] bytes = new byte[8192];
					for (int n; (n = in.read(bytes)) > 0;)
						for (ByteBuffer rest = ByteBuffer.wrap(bytes, 0, n); rest.hasRemaining();)
							channel.write(rest);
					channel.shutdownOutput();
				} else {
					ByteBuffer bytes = ByteBuffer.allocate(8192);
					for (; channel.read(bytes) > 0; bytes.clear()) {
						out.write(bytes.array(), 0, bytes.position());
						out.flush();
					}
					client.close();
				}
			} catch (Exception closed) {
				// The other end has gone.
			}
		});
		copying.setDaemon(true);
		copying.start();
	}

	static Object one(String sql, Object... values) throws SQLException {
		try (PreparedStatement statement = connection.prepareStatement(sql)) {
			for (int i = 0; i < values.length; i++)
				if (values[i] instanceof Array)
					statement.setArray(i + 1, (Array) values[i]);
				else
					statement.setObject(i + 1, values[i]);
			try (ResultSet result = statement.executeQuery()) {
				return result.next() ? result.getObject(1) : null;
			}
		}
	}

	static void is(Object found, Object expected) {
		if (!expected.equals(found))
			throw new AssertionError(found + (found == null ? "" : " of " + found.getClass()) + ", not " + expected);
	}

	static void fails(String code, String sql, Object... values) throws SQLException {
		try {
			one(sql, values);
		} catch (SQLException error) {
			is(error.getSQLState(), code);
			return;
		}
		throw new AssertionError("no error: " + sql);
	}

	public static void main(String[] arguments) throws Exception {
		String set = "listing_stats.price_stats(last_price)";
		Properties properties = new Properties();
		properties.setProperty("user", System.getenv("PGUSER"));
		int port = relay(System.getenv("PGHOST") + "/.s.PGSQL." + System.getenv().getOrDefault("PGPORT", "5432"));
		connection = DriverManager.getConnection("jdbc:postgresql://localhost:" + port + "/" + System.getenv("PGDATABASE"), properties);

		// Types.
		is(one("SELECT last_price FROM listing WHERE id = 1"), new BigDecimal("199.99"));
		is(one("SELECT listing_stats.median(last_price) FROM listing"), new BigDecimal("199.99"));
		is(one("SELECT (listing_stats.price_summary(last_price)).count FROM listing"), 3L);
		is(one("SELECT at FROM listing_stats.latest_prices('price', ARRAY[1])").getClass(), Timestamp.class);
		for (String json : new String[] {"price_stats_json(last_price)", "price_history_json('price', 1)", "price_stats(last_price)",
				"read_price_history('price', 1)"})
			is(one("SELECT listing_stats." + json + " FROM listing" + (json.contains("'") ? "" : " GROUP BY ()"))
				.getClass().getName(), "org.postgresql.util.PGobject");

		BigDecimal[] percentiles = (BigDecimal[])((Array) one("SELECT listing_stats.percentiles(" + set + ", '{0.5}') FROM listing")).getArray();
		is(percentiles[0], new BigDecimal("199.99"));

		// Parameters.
		is(one("SELECT key FROM listing_stats.latest_prices(?, ?)", "price", connection.createArrayOf("bigint", new Long[] {3L})), 3L);
		is(one("SELECT value FROM listing_stats.latest_prices(?, ?, ?)", "price", connection.createArrayOf("bigint", new Long[] {1L}),
			OffsetDateTime.parse("2026-01-10T00:00:00Z")), new BigDecimal("250.00"));
		is(one("SELECT listing_stats.latest_price(?, ?)", "price", 2L), new BigDecimal("480.00"));
		is(one("SELECT listing_id FROM listing_stats.latest_rows(NULL::price, ?)", connection.createArrayOf("bigint", new Long[] {2L})), 2L);
		is(one("SELECT listing_stats.percentile(" + set + ", ?) FROM listing", new BigDecimal("0.5")), new BigDecimal("199.99"));
		fails("42883", "SELECT listing_stats.percentile(" + set + ", ?) FROM listing", 0.5);
		is(one("SELECT listing_stats.percentile(" + set + ", ?::numeric) FROM listing", 0.5), new BigDecimal("199.99"));
		System.out.println("ok");
	}
}
