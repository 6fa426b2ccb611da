// Shows the document by Swagger UI, which asks nobody else about it.

"use strict";

window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#document",
  validatorUrl: null,
  // What is tried is sent from here; the key stays in this tab, and is gone with it.
  persistAuthorization: false,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
});
