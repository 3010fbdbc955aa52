// Asks a running server, and prints paths and levels.
//
// mmsearch serve
// node examples/http_client.js "a dog on a beach" [ADDRESS]

async function search(words, address = "http://127.0.0.1:8765") {
  const answer = await fetch(`${address}/api/search`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ terms: [words], k: 10 }),
  });
  const { hits, error } = await answer.json();
  if (error) throw new Error(error.message);
  return hits;
}

search(...process.argv.slice(2)).then((hits) => hits.forEach((hit) => console.log(`${hit.level}\t${hit.path}`)));
