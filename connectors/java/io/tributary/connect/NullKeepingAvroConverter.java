package io.tributary.connect;

import io.apicurio.registry.rest.client.exception.RestClientException;
import io.apicurio.registry.utils.converter.AvroConverter;
import io.apicurio.registry.utils.converter.avro.AvroData;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.util.Map;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.RetriableException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Apicurio's AvroConverter, except that NULL stays NULL, that a registry which is away is waited
 * for, and that a value too large for Kafka ends nothing.
 *
 * <p>Kafka Connect reads a NULL field of a struct as the field's default, and Debezium gives a field
 * the default of its column: a NULL in a nullable column with a DEFAULT would reach the warehouse as
 * that default. AvroData has the switch against it, but nothing that sets it, in the pinned version.
 *
 * <p>Connect ends a task for good on whatever a converter throws, unless it says that trying again
 * may help; the connector's errors.retry.timeout then decides for how long.
 *
 * <p>A record that the producer refuses for its size also ends the task, and again after each
 * restart: one wide row would hold up its whole database for good. In place of a value above
 * tributary.max.bytes goes a marker with its size, which the pipeline makes a dead letter of.
 */
public final class NullKeepingAvroConverter<T> extends AvroConverter<T> {
  private static final Logger LOG = LoggerFactory.getLogger(NullKeepingAvroConverter.class);

  /** Begins a marker; the wire format begins with 0. See pipeline/avro/wire-format.ts. */
  private static final byte TOO_LARGE = (byte) 0xff;

  private int maxBytes = Integer.MAX_VALUE;

  @Override
  public void configure(Map<String, ?> configs, boolean isKey) {
    super.configure(configs, isKey);
    Object limit = configs.get("tributary.max.bytes");
    if (limit != null) {
      maxBytes = Integer.parseInt(limit.toString());
    }
    try {
      Field avroData = AvroConverter.class.getDeclaredField("avroData");
      avroData.setAccessible(true);
      Field keepsNulls = AvroData.class.getDeclaredField("ignoreDefaultForNullables");
      keepsNulls.setAccessible(true);
      keepsNulls.setBoolean(avroData.get(this), true);
    } catch (ReflectiveOperationException e) {
      throw new ConnectException(
          "this version of Apicurio's AvroConverter has no switch to keep NULLs; use the pinned one", e);
    }
  }

  @Override
  public byte[] fromConnectData(String topic, Schema schema, Object value) {
    try {
      return bounded(topic, super.fromConnectData(topic, schema, value));
    } catch (RestClientException e) {
      throw mayPass(e) ? new RetriableException("the schema registry is away", e) : e;
    }
  }

  @Override
  public byte[] fromConnectData(String topic, Headers headers, Schema schema, Object value) {
    try {
      return bounded(topic, super.fromConnectData(topic, headers, schema, value));
    } catch (RestClientException e) {
      throw mayPass(e) ? new RetriableException("the schema registry is away", e) : e;
    }
  }

  private byte[] bounded(String topic, byte[] bytes) {
    if (bytes == null || bytes.length <= maxBytes) {
      return bytes;
    }
    LOG.warn("a change of {} has {} bytes, more than {}: only its key and size are sent", topic, bytes.length, maxBytes);
    return ByteBuffer.allocate(1 + Long.BYTES).put(TOO_LARGE).putLong(bytes.length).array();
  }

  /** True without an answer and for server errors; a 4xx says the same the next time. */
  private static boolean mayPass(RestClientException e) {
    Integer status = e.getError() == null ? null : e.getError().getErrorCode();
    return status == null || status < 400 || status >= 500;
  }
}
