// What the GraphQL over HTTP specification's own audits say of a server: `node audit.mjs URL TOKEN`, JSON on stdout.
import { auditServer } from "graphql-http";

const [url, token] = process.argv.slice(2);
const results = await auditServer({
  url,
  fetchFn: (address, options) =>
    fetch(address, { ...options, headers: { ...options?.headers, authorization: `Bearer ${token}` } }),
});
const told = [];
for (const result of results) {
  told.push({ id: result.id, name: result.name, status: result.status, reason: result.reason ?? null });
  await result.response?.body?.cancel().catch(() => undefined);
}
console.log(JSON.stringify(told));
