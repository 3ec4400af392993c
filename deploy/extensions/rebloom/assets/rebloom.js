// The theme's blocks. They send the ids of registered documents (graphql_schema/trusted/storefront; a test holds these to
// the files) through the shop's app proxy, which says who is logged in. Every text is set as text, never as markup.
const DOCUMENTS = {
  accept: "sha256:4aaf6f3e85dc95869fd11c5daffd9259b06887f27f1806e25dfd6178d813c896",
  dismiss: "sha256:fe4288f19f36dc419118f30ac4f7011fd8088baa534f8d18ff3930f38fb118c8",
  offers: "sha256:78dd4e5286209225a984181a13517e61dfddfcadf488f6db9804f5e429269c68",
  recommendations: "sha256:8101646cd58bc57d003265397835ac8faaacdfb7fefdc2d115faadbea6d9feb7",
  touchpoints: "sha256:1a4a147748db29c3871d8b398463fd757653977fcd5517be9302f5cfe9030eae",
};
const MEDIA = "application/graphql-response+json, application/json;q=0.9";

async function ask(proxy, document, variables) {
  const reply = await fetch(`${proxy}/graphql`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: MEDIA },
    body: JSON.stringify({ documentId: DOCUMENTS[document], variables }),
  });
  const body = await reply.json();
  if (!body.data) throw new Error(body.errors?.[0]?.extensions?.code ?? `HTTP ${reply.status}`);
  return body.data;
}

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
}

function shownMoney({ amount, currencyCode }) {
  return new Intl.NumberFormat(document.documentElement.lang || undefined, { style: "currency", currency: currencyCode }).format(amount);
}

function productRow({ product, because }) {
  const link = element("a", { href: `/products/${encodeURIComponent(product.handle)}`, textContent: product.title });
  if (product.imageUrl?.startsWith("https://")) {
    link.prepend(element("img", { src: product.imageUrl, alt: "", loading: "lazy", width: 120 }));
  }
  const row = element("li", { className: "rebloom-product", title: because.join("; ") }, link);
  if (product.price) row.append(" ", element("span", { className: "rebloom-price", textContent: shownMoney(product.price) }));
  return row;
}

class RebloomBlock extends HTMLElement {
  connectedCallback() {
    this.drawn = this.draw().catch(() => { this.hidden = true; }); // a shop's page never breaks over an offer
  }

  get proxy() { return this.getAttribute("proxy") || "/apps/rebloom"; }
  get first() { return Number(this.getAttribute("first")) || 3; }

  show(rows) {
    this.replaceChildren(...rows);
    this.hidden = rows.length === 0;
  }
}

class RebloomOffers extends RebloomBlock {
  async draw() {
    const { viewer } = await ask(this.proxy, "offers", { placement: this.getAttribute("placement") || null, first: this.first });
    this.show((viewer?.offers ?? []).map((offer) => this.card(offer)));
    if (viewer?.offers.length) await this.tell("OFFER_SHOWN", viewer.offers.map((offer) => offer.id));
  }

  card(offer) {
    const card = element("article", { className: "rebloom-offer" }, element("h3", { textContent: offer.title }));
    card.dataset.kind = offer.kind;
    if (offer.products.length) card.append(element("ul", {}, ...offer.products.map(productRow)));
    const take = element("button", { type: "button", className: "rebloom-take", textContent: this.getAttribute("take") || "Use this offer" });
    const dismiss = element("button", { type: "button", className: "rebloom-dismiss", textContent: this.getAttribute("dismiss") || "No, thank you" });
    take.addEventListener("click", () => this.answer(card, offer, "accept").catch(() => {}));
    dismiss.addEventListener("click", () => this.answer(card, offer, "dismiss").catch(() => {}));
    card.append(take, " ", dismiss);
    card.addEventListener("click", ({ target }) => {
      if (target.closest("a")) this.tell("OFFER_CLICKED", [offer.id]).catch(() => {});
    });
    return card;
  }

  async answer(card, offer, document) {
    await ask(this.proxy, document, { id: offer.id });
    if (document === "dismiss") {
      card.remove();
      this.hidden = this.childElementCount === 0;
      return;
    }
    const told = offer.code ? `${this.getAttribute("code") || "Code"}: ${offer.code}` : this.getAttribute("taken") || "Saved for you";
    card.querySelectorAll("button").forEach((button) => button.remove());
    card.append(element("p", { className: "rebloom-code", textContent: told }));
  }

  tell(kind, offers) {
    const placement = this.getAttribute("placement") || null;
    const input = offers.map((subject) => ({ id: `w-${crypto.randomUUID()}`, kind, subject, placement }));
    return ask(this.proxy, "touchpoints", { input });
  }
}

class RebloomRecommendations extends RebloomBlock {
  async draw() {
    const numbers = (this.getAttribute("products") || "").split(",").map((number) => number.trim()).filter(Boolean);
    const productIds = numbers.map((number) => `gid://shopify/Product/${number}`);
    const { recommendations } = await ask(this.proxy, "recommendations", { productIds, first: this.first });
    this.show(recommendations.length ? [element("ul", {}, ...recommendations.map(productRow))] : []);
  }
}

customElements.define("rebloom-offers", RebloomOffers);
customElements.define("rebloom-recommendations", RebloomRecommendations);
