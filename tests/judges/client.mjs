// What a client others really use makes of our endpoint: `node client.mjs URL TOKEN`, JSON on stdout.
import { ClientError, GraphQLClient, gql } from "graphql-request";

const [url, token] = process.argv.slice(2);
const client = new GraphQLClient(url, { headers: { authorization: `Bearer ${token}` } });
const page = gql`
  query Page($first: Int!, $after: String) {
    customers(first: $first, after: $after, sortKey: ID) { nodes { id } pageInfo { hasNextPage endCursor } }
  }
`;
const ids = [];
let after = null;
do {
  const { customers } = await client.request(page, { first: 7, after });
  ids.push(...customers.nodes.map((node) => node.id));
  after = customers.pageInfo.hasNextPage ? customers.pageInfo.endCursor : null;
} while (after !== null);

const made = await client.request(
  gql`
    mutation Make($name: String!, $query: String!) {
      segmentCreate(name: $name, query: $query) { segment { name query } userErrors { field code } }
    }
  `,
  { name: "From Node", query: "number_of_orders >= 2" },
);
let refused = null;
try {
  await client.request(gql`{ customers(first: 251) { nodes { id } } }`);
} catch (error) {
  if (!(error instanceof ClientError)) throw error;
  refused = { status: error.response.status, code: error.response.errors[0].extensions.code };
}
console.log(JSON.stringify({ ids, made: made.segmentCreate, refused }));
