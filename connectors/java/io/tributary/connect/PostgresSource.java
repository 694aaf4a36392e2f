package io.tributary.connect;

import io.debezium.connector.postgresql.PostgresConnector;
import io.debezium.connector.postgresql.PostgresConnectorTask;
import org.apache.kafka.connect.connector.Task;

/**
 * Debezium's connector, which confirms to its slot less often what Kafka has.
 *
 * <p>Connect tells a task after every poll that its offsets are kept: with a transaction per poll also
 * after one that brought nothing, and polls come every few milliseconds. Each time Debezium asks the
 * broker for the end of Connect's topic of offsets, reads up to it and writes to the slot, all of it
 * before it looks for changes again.
 */
public final class PostgresSource extends PostgresConnector {
  @Override
  public Class<? extends Task> taskClass() {
    return SourceTask.class;
  }

  /** What runs for it. */
  public static final class SourceTask extends PostgresConnectorTask {
    /** Whoever waits for the slot, such as `tributary verify`, waits this much longer at most. */
    private static final long CONFIRM_EVERY_NANOS = 250_000_000L;

    private long confirmedAt = System.nanoTime() - CONFIRM_EVERY_NANOS;

    /** Leaving one out loses nothing: the next poll is over soon, and a stop confirms by itself. */
    @Override
    public void commit() throws InterruptedException {
      long now = System.nanoTime();
      if (now - confirmedAt >= CONFIRM_EVERY_NANOS) {
        confirmedAt = now;
        super.commit();
      }
    }
  }
}
