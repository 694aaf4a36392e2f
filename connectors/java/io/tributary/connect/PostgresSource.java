package io.tributary.connect;

import io.debezium.connector.base.ChangeEventQueueMetrics;
import io.debezium.connector.postgresql.PostgresConnector;
import io.debezium.connector.postgresql.PostgresConnectorTask;
import java.lang.reflect.Field;
import java.util.List;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.source.SourceRecord;

/** Debezium's connector, whose task costs little while nothing changes. */
public final class PostgresSource extends PostgresConnector {
  @Override
  public Class<? extends Task> taskClass() {
    return SourceTask.class;
  }

  /**
   * What runs for it. Debezium's own task does the same, and more often than it helps:
   *
   * <ul>
   *   <li>A poll waits out its interval by asking the clock over and over for the last millisecond of
   *       it, whether or not there is anything to bring. With an interval of a few milliseconds each
   *       idle connector keeps 6 % of a core busy. Here a poll begins when there are changes.
   *   <li>Connect tells a task after every poll that its offsets are kept: with a transaction per poll
   *       also after one that brought nothing. Each time Debezium asks the broker for the end of
   *       Connect's topic of offsets, reads up to it and writes to the slot, all of it before it looks
   *       for changes again. Here it does so four times a second.
   * </ul>
   */
  public static final class SourceTask extends PostgresConnectorTask {
    private static final long LOOK_EVERY_MILLIS = 1;

    /** What the reader of the log fails with is thrown by a poll, and Connect stops a task after one. */
    private static final long POLL_EVERY_NANOS = 100_000_000L;

    /** Each poll that brings something is a transaction: a lone change goes at once, many go together. */
    private static final long REST_NANOS = 20_000_000L;

    /** Whoever waits for the slot, such as `tributary verify`, waits this much longer at most. */
    private static final long CONFIRM_EVERY_NANOS = 250_000_000L;

    private long restsUntil = System.nanoTime();
    private long confirmedAt = System.nanoTime() - CONFIRM_EVERY_NANOS;

    @Override
    public List<SourceRecord> doPoll() throws InterruptedException {
      ChangeEventQueueMetrics queue = queue();
      long began = System.nanoTime();
      long now = began;
      while (now - began < POLL_EVERY_NANOS
          && (now - restsUntil < 0 || queue.remainingCapacity() == queue.totalCapacity())) {
        Thread.sleep(LOOK_EVERY_MILLIS);
        now = System.nanoTime();
      }
      List<SourceRecord> records = super.doPoll();
      if (records != null && !records.isEmpty()) restsUntil = now + REST_NANOS;
      return records;
    }

    /** Leaving one out loses nothing: the next poll is over soon, and a stop confirms by itself. */
    @Override
    public void commit() throws InterruptedException {
      long now = System.nanoTime();
      if (now - confirmedAt >= CONFIRM_EVERY_NANOS) {
        confirmedAt = now;
        super.commit();
      }
    }

    /** Between the reader of the log and the polls; Debezium shows it to nobody. */
    private ChangeEventQueueMetrics queue() {
      try {
        Field field = PostgresConnectorTask.class.getDeclaredField("queue");
        field.setAccessible(true);
        return (ChangeEventQueueMetrics) field.get(this);
      } catch (ReflectiveOperationException error) {
        throw new ConnectException("this version of Debezium keeps its queue elsewhere", error);
      }
    }
  }
}
