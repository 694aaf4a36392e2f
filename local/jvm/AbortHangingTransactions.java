import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.common.TopicPartition;

/**
 * Aborts transactions that are over for their coordinator and open in a partition, which nobody else
 * would ever end: see pipeline/docs/operations.md, "Connectors that stay UNASSIGNED". Such a
 * transaction is open in all of its partitions, so that aborting it leaves nothing of it, and Connect
 * sends again what was in it.
 *
 * Run from its source, with the class path of the broker. Arguments: the broker, then at how many
 * seconds from now to look.
 */
public class AbortHangingTransactions {
  private static final Set<TransactionState> OVER =
      Set.of(
          TransactionState.EMPTY,
          TransactionState.COMPLETE_COMMIT,
          TransactionState.COMPLETE_ABORT);

  private record Open(TopicPartition partition, long producerId, long startOffset) {}

  public static void main(String[] args) throws Exception {
    long began = System.nanoTime();
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
      for (int look = 1; look < args.length; look++) {
        long waited = (System.nanoTime() - began) / 1_000_000;
        Thread.sleep(Math.max(0, Long.parseLong(args[look]) * 1_000 - waited));
        abortHanging(admin);
      }
    }
  }

  private static void abortHanging(Admin admin) throws Exception {
    Map<Open, ProducerState> before = openTransactions(admin);
    if (before.isEmpty()) return;
    Set<Long> underWay = new HashSet<>();
    for (var transaction : admin.listTransactions(new ListTransactionsOptions()).all().get()) {
      if (!OVER.contains(transaction.state())) underWay.add(transaction.producerId());
    }
    // Asked again: one whose end was being written meanwhile is closed by now.
    Map<Open, ProducerState> after = openTransactions(admin);
    for (var entry : after.entrySet()) {
      Open open = entry.getKey();
      if (!before.containsKey(open) || underWay.contains(open.producerId())) continue;
      ProducerState state = entry.getValue();
      admin
          .abortTransaction(
              new AbortTransactionSpec(
                  open.partition(),
                  open.producerId(),
                  (short) state.producerEpoch(),
                  state.coordinatorEpoch().orElse(0)))
          .all()
          .get();
      System.out.printf(
          "%s WARN  AbortHangingTransactions producer %d, %s from offset %d: over for its coordinator and still open, aborted%n",
          LocalDateTime.now(), open.producerId(), open.partition(), open.startOffset());
    }
  }

  private static Map<Open, ProducerState> openTransactions(Admin admin) throws Exception {
    List<TopicPartition> partitions = new ArrayList<>();
    Collection<String> topics = admin.listTopics().names().get();
    for (var topic : admin.describeTopics(topics).allTopicNames().get().values()) {
      for (var partition : topic.partitions()) {
        if (partition.leader() != null) {
          partitions.add(new TopicPartition(topic.name(), partition.partition()));
        }
      }
    }
    Map<Open, ProducerState> open = new HashMap<>();
    for (var entry : admin.describeProducers(partitions).all().get().entrySet()) {
      for (ProducerState state : entry.getValue().activeProducers()) {
        state
            .currentTransactionStartOffset()
            .ifPresent(
                start -> open.put(new Open(entry.getKey(), state.producerId(), start), state));
      }
    }
    return open;
  }
}
