const HEAD =
  /^((?:CREATE|DROP|ALTER)\s+(?:OR\s+REPLACE\s+)?(?:DATABASE|TABLE|(?:MATERIALIZED\s+)?VIEW)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?[\w.`]+)/i;
const ENGINE = /\bENGINE\s*=\s*((?:Replacing|Summing|Aggregating|Collapsing)?MergeTree)\b/i;

/**
 * The statement for every node of a cluster, with replicated tables. Their paths are the server's
 * own (`default_replica_path`), so they need no macros here.
 *
 * @param cluster - name of the cluster in the server's configuration
 */
export function onCluster(statement: string, cluster: string): string {
  return statement
    .replace(HEAD, (head) => `${head} ON CLUSTER \`${cluster.replaceAll('`', '\\`')}\``)
    .replace(ENGINE, 'ENGINE = Replicated$1');
}
