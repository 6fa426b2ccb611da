// Shows the document by ReDoc.

"use strict";

window.Redoc.init(
  "/openapi.json",
  { disableSearch: false, hideDownloadButton: false, nativeScrollbars: true },
  document.getElementById("document"),
);
