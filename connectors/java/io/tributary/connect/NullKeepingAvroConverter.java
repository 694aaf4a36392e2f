package io.tributary.connect;

import io.apicurio.registry.rest.client.exception.RestClientException;
import io.apicurio.registry.utils.converter.AvroConverter;
import io.apicurio.registry.utils.converter.avro.AvroData;
import java.lang.reflect.Field;
import java.util.Map;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.RetriableException;

/**
 * Apicurio's AvroConverter, except that NULL stays NULL and that a registry which is away is waited
 * for.
 *
 * <p>Kafka Connect reads a NULL field of a struct as the field's default, and Debezium gives a field
 * the default of its column: a NULL in a nullable column with a DEFAULT would reach the warehouse as
 * that default. AvroData has the switch against it, but nothing that sets it, in the pinned version.
 *
 * <p>Connect ends a task for good on whatever a converter throws, unless it says that trying again
 * may help; the connector's errors.retry.timeout then decides for how long.
 */
public final class NullKeepingAvroConverter<T> extends AvroConverter<T> {
  @Override
  public void configure(Map<String, ?> configs, boolean isKey) {
    super.configure(configs, isKey);
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
      return super.fromConnectData(topic, schema, value);
    } catch (RestClientException e) {
      throw mayPass(e) ? new RetriableException("the schema registry is away", e) : e;
    }
  }

  @Override
  public byte[] fromConnectData(String topic, Headers headers, Schema schema, Object value) {
    try {
      return super.fromConnectData(topic, headers, schema, value);
    } catch (RestClientException e) {
      throw mayPass(e) ? new RetriableException("the schema registry is away", e) : e;
    }
  }

  /** True without an answer and for server errors; a 4xx says the same the next time. */
  private static boolean mayPass(RestClientException e) {
    Integer status = e.getError() == null ? null : e.getError().getErrorCode();
    return status == null || status < 400 || status >= 500;
  }
}
