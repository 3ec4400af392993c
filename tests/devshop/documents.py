"""Documents of the app's kind, copied so that the tests stand on their own."""

SHOP_INFO = """query ShopInfo { shop { id name email contactEmail myshopifyDomain primaryDomain { id host url } url
  currencyCode enabledPresentmentCurrencies ianaTimezone timezoneOffsetMinutes createdAt taxesIncluded
  plan { publicDisplayName partnerDevelopment shopifyPlus } } }"""

INSTALLATION_STATE = """query InstallationState { currentAppInstallation { id launchUrl accessScopes { handle }
  activeSubscriptions { id name status test trialDays createdAt currentPeriodEnd lineItems { id plan { pricingDetails {
    __typename ... on AppRecurringPricing { interval price { amount currencyCode } }
    ... on AppUsagePricing { terms balanceUsed { amount currencyCode } cappedAmount { amount currencyCode } } } } } } } }"""

CUSTOMERS_UPDATED_SINCE = """query CustomersUpdatedSince($first: Int! = 100, $after: String, $query: String!) {
  customers(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes { id createdAt updatedAt state tags numberOfOrders amountSpent { amount currencyCode } displayName firstName
      lastName defaultEmailAddress { emailAddress marketingState marketingOptInLevel marketingUpdatedAt }
      defaultPhoneNumber { phoneNumber smsMarketingConsent { state optInLevel updatedAt } }
      defaultAddress { countryCodeV2 provinceCode city zip } lastOrder { id processedAt }
      statistics { predictedSpendTier rfmGroup } }
    pageInfo { hasNextPage endCursor } } }"""

ORDERS_UPDATED_SINCE = """query OrdersUpdatedSince($first: Int! = 10, $after: String, $query: String!, $lines: Int! = 15) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes { id name createdAt processedAt updatedAt cancelledAt test currencyCode displayFinancialStatus returnStatus
      customer { id } currentTotalPriceSet { shopMoney { amount currencyCode } }
      totalPriceSet { shopMoney { amount currencyCode } } totalRefundedSet { shopMoney { amount currencyCode } }
      lineItems(first: $lines) {
        nodes { id sku title quantity currentQuantity product { id } variant { id }
          discountedTotalSet { shopMoney { amount currencyCode } } }
        pageInfo { hasNextPage endCursor } } }
    pageInfo { hasNextPage endCursor } } }"""

ORDER_WITH_REFUNDS = """query OrderWithRefunds($id: ID!, $refunds: Int! = 10, $lines: Int! = 20) {
  order(id: $id) { id updatedAt returnStatus totalRefundedSet { shopMoney { amount currencyCode } }
    refunds(first: $refunds) { id createdAt processedAt updatedAt note return { id }
      totalRefundedSet { shopMoney { amount currencyCode } }
      refundLineItems(first: $lines) { nodes { id quantity restockType restocked
          subtotalSet { shopMoney { amount currencyCode } } lineItem { id } } pageInfo { hasNextPage endCursor } } }
    returns(first: 10) { nodes { id name status totalQuantity createdAt closedAt } } } }"""

PRODUCTS_UPDATED_SINCE = """query ProductsUpdatedSince($first: Int! = 50, $after: String, $query: String!) {
  products(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes { id title handle status productType vendor tags updatedAt totalInventory variantsCount { count precision } }
    pageInfo { hasNextPage endCursor } } }"""

CUSTOMER_BY_ID = """query CustomerById($id: ID!) { customer(id: $id) { id updatedAt tags numberOfOrders
  amountSpent { amount currencyCode } defaultEmailAddress { emailAddress marketingState }
  metafield(namespace: "$app", key: "lifecycle") { id value jsonValue updatedAt compareDigest } } }"""

BULK_EXPORT = """mutation BulkExport($query: String!, $groupObjects: Boolean! = false) {
  bulkOperationRunQuery(query: $query, groupObjects: $groupObjects) {
    bulkOperation { id status type createdAt } userErrors { code field message } } }"""

BULK_STATUS = """query BulkStatus($id: ID!) { bulkOperation(id: $id) { id status type errorCode createdAt completedAt
  objectCount rootObjectCount fileSize url partialDataUrl } }"""

BULK_RUNNING = """query BulkRunning($first: Int! = 10, $query: String = "status:running") {
  bulkOperations(first: $first, query: $query, sortKey: CREATED_AT, reverse: true) {
    nodes { id status type createdAt objectCount } pageInfo { hasNextPage endCursor } } }"""

BULK_CANCEL = """mutation BulkCancel($id: ID!) {
  bulkOperationCancel(id: $id) { bulkOperation { id status } userErrors { field message } } }"""

STAGE = """mutation StageBulkVariables($input: [StagedUploadInput!]!) { stagedUploadsCreate(input: $input) {
  stagedTargets { url resourceUrl parameters { name value } } userErrors { field message } } }"""

BULK_IMPORT = """mutation BulkImport($mutation: String!, $stagedUploadPath: String!, $clientIdentifier: String) {
  bulkOperationRunMutation(mutation: $mutation, stagedUploadPath: $stagedUploadPath,
    clientIdentifier: $clientIdentifier) {
    bulkOperation { id status type createdAt } userErrors { code field message } } }"""

ADD_TAGS = """mutation AddTags($id: ID!, $tags: [String!]!) {
  tagsAdd(id: $id, tags: $tags) { node { id } userErrors { field message } } }"""

REMOVE_TAGS = """mutation RemoveTags($id: ID!, $tags: [String!]!) {
  tagsRemove(id: $id, tags: $tags) { node { id } userErrors { field message } } }"""

SWAP_TAGS = """mutation SwapTags($id: ID!, $remove: [String!]!, $add: [String!]!) {
  removed: tagsRemove(id: $id, tags: $remove) { node { id } userErrors { field message } }
  added: tagsAdd(id: $id, tags: $add) { node { id } userErrors { field message } } }"""

SET_METAFIELDS = """mutation SetMetafields($metafields: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $metafields) {
  metafields { id namespace key ownerType updatedAt } userErrors { code field message elementIndex } } }"""

OFFER_CREATE = """mutation OfferCreate($basicCodeDiscount: DiscountCodeBasicInput!) {
  discountCodeBasicCreate(basicCodeDiscount: $basicCodeDiscount) {
    codeDiscountNode { id codeDiscount { ... on DiscountCodeBasic {
      title status startsAt endsAt codesCount { count precision } } } }
    userErrors { code field message } } }"""

OFFER_CODES_ADD = """mutation OfferCodesAdd($discountId: ID!, $codes: [DiscountRedeemCodeInput!]!) {
  discountRedeemCodeBulkAdd(discountId: $discountId, codes: $codes) {
    bulkCreation { id codesCount importedCount failedCount done } userErrors { code field message } } }"""

OFFER_CODES_STATUS = """query OfferCodesAddStatus($id: ID!) { discountRedeemCodeBulkCreation(id: $id) {
  id done codesCount importedCount failedCount codes(first: 50) { nodes { code errors { code field message } } } } }"""

OFFER_DEACTIVATE = """mutation OfferDeactivate($id: ID!) {
  discountCodeDeactivate(id: $id) { codeDiscountNode { id } userErrors { code field message } } }"""

WEBHOOK_CREATE = """mutation WebhookCreate($topic: WebhookSubscriptionTopic!,
    $webhookSubscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhookSubscription) {
    webhookSubscription { id topic uri format filter includeFields apiVersion { handle } }
    userErrors { field message } } }"""

WEBHOOKS = """query Webhooks($first: Int! = 50, $after: String) { webhookSubscriptions(first: $first, after: $after) {
  nodes { id topic uri filter includeFields name apiVersion { handle supported } createdAt updatedAt }
  pageInfo { hasNextPage endCursor } } }"""

WEBHOOK_DELETE = """mutation WebhookDelete($id: ID!) {
  webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } } }"""

SEGMENTS = """query Segments($first: Int! = 50, $after: String) {
  segments(first: $first, after: $after, sortKey: LAST_EDIT_DATE, reverse: true) {
    nodes { id name query creationDate lastEditDate } pageInfo { hasNextPage endCursor } }
  segmentsCount { count precision } }"""

SEGMENT_CREATE = """mutation SegmentCreate($name: String!, $query: String!) { segmentCreate(name: $name, query: $query) {
  segment { id name query creationDate lastEditDate } userErrors { field message } } }"""

BULK_CUSTOMERS = """query BulkCustomers { customers { edges { node { id legacyResourceId createdAt updatedAt state
  verifiedEmail taxExempt locale tags note numberOfOrders amountSpent { amount currencyCode } dataSaleOptOut
  lifetimeDuration displayName firstName lastName
  defaultEmailAddress { emailAddress marketingState marketingOptInLevel marketingUpdatedAt validFormat }
  defaultPhoneNumber { phoneNumber smsMarketingConsent { state optInLevel updatedAt } }
  defaultAddress { city provinceCode countryCodeV2 zip } lastOrder { id processedAt }
  statistics { predictedSpendTier rfmGroup } } } } }"""

BULK_ORDERS = """query BulkOrders { orders { edges { node { id legacyResourceId name createdAt processedAt updatedAt
  cancelledAt cancelReason closedAt test confirmed currencyCode presentmentCurrencyCode displayFinancialStatus
  displayFulfillmentStatus returnStatus sourceName tags discountCodes customer { id }
  customerJourneySummary { ready customerOrderIndex daysToConversion
    firstVisit { source sourceType utmParameters { source medium campaign } } }
  currentSubtotalLineItemsQuantity subtotalPriceSet { shopMoney { amount currencyCode } }
  totalPriceSet { shopMoney { amount currencyCode } } currentTotalPriceSet { shopMoney { amount currencyCode } }
  netPaymentSet { shopMoney { amount currencyCode } } totalDiscountsSet { shopMoney { amount currencyCode } }
  totalShippingPriceSet { shopMoney { amount currencyCode } } totalTaxSet { shopMoney { amount currencyCode } }
  totalRefundedSet { shopMoney { amount currencyCode } } shippingAddress { countryCodeV2 provinceCode }
  refunds { id createdAt totalRefundedSet { shopMoney { amount currencyCode } } }
  lineItems { edges { node { id name title variantTitle sku vendor quantity currentQuantity refundableQuantity
    isGiftCard requiresShipping product { id } variant { id }
    originalUnitPriceSet { shopMoney { amount currencyCode } }
    discountedUnitPriceAfterAllDiscountsSet { shopMoney { amount currencyCode } }
    discountedTotalSet { shopMoney { amount currencyCode } } } } } } } } }"""

BULK_PRODUCTS = """query BulkProducts { products { edges { node { id legacyResourceId title handle status vendor
  productType tags isGiftCard createdAt updatedAt publishedAt totalInventory onlineStoreUrl category { id fullName }
  featuredMedia { preview { image { url altText } } }
  priceRangeV2 { minVariantPrice { amount currencyCode } maxVariantPrice { amount currencyCode } }
  variants { edges { node { id title sku barcode price compareAtPrice availableForSale inventoryQuantity position
    updatedAt } } } } } } }"""
