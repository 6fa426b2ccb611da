"""Requests whose one answer says all: what is there, who may ask, what is refused."""

from __future__ import annotations

from tests.openfaas.case import Call, calls
from tests.openfaas.door import MIRROR

NOBODY, WRONG = False, ("admin", "wrong")
ABSENT = {"service": "absent", "image": "absent:1"}

OPEN = calls(
    Call("health", "GET", "/healthz", login=NOBODY),
    Call("health by POST", "POST", "/healthz", login=NOBODY),
    Call("nothing of the API", "GET", "/nowhere", login=NOBODY),
    Call("nothing below system", "GET", "/system/nowhere"),
    Call("the root", "GET", "/", login=NOBODY),
    Call("the page for people", "GET", "/ui/"),
    Call("alerts of Prometheus, none firing", "POST", "/system/alert", {"alerts": []}),
)
WITHOUT_LOGIN = calls(
    Call("functions without a login", "GET", "/system/functions", login=NOBODY),
    Call("functions with a wrong password", "GET", "/system/functions", login=WRONG),
    Call("deploy without a login", "POST", "/system/functions", ABSENT, login=NOBODY),
    Call("update without a login", "PUT", "/system/functions", ABSENT, login=NOBODY),
    Call(
        "remove without a login",
        "DELETE",
        "/system/functions",
        {"functionName": MIRROR},
        login=NOBODY,
    ),
    Call("describe without a login", "GET", f"/system/function/{MIRROR}", login=NOBODY),
    Call(
        "scale without a login",
        "POST",
        f"/system/scale-function/{MIRROR}",
        {"replicas": 1},
        login=NOBODY,
    ),
    Call("secrets without a login", "GET", "/system/secrets", login=NOBODY),
    Call("logs without a login", "GET", f"/system/logs?name={MIRROR}", login=NOBODY),
    Call("namespaces without a login", "GET", "/system/namespaces", login=NOBODY),
    Call("information without a login", "GET", "/system/info", login=NOBODY),
    Call(
        "a bearer token", "GET", "/system/info", headers={"Authorization": "Bearer x"}, login=NOBODY
    ),
)
METHODS = calls(
    Call("functions by PATCH", "PATCH", "/system/functions", {}),
    Call("describe by POST", "POST", f"/system/function/{MIRROR}", {}),
    Call("scale by GET", "GET", f"/system/scale-function/{MIRROR}"),
    Call("secrets by PATCH", "PATCH", "/system/secrets", {}),
    Call("logs by POST", "POST", f"/system/logs?name={MIRROR}", {}),
    Call("functions by HEAD", "HEAD", "/system/functions"),
)
NAMESPACES = calls(
    Call("namespaces", "GET", "/system/namespaces"),
    Call("the namespace", "GET", "/system/namespace/openfaas-fn"),
    Call("make a namespace", "POST", "/system/namespace/", {"name": "other"}),
    Call("functions of an unknown namespace", "GET", "/system/functions?namespace=other"),
    Call("functions of kube-system", "GET", "/system/functions?namespace=kube-system"),
    Call("describe in an unknown namespace", "GET", f"/system/function/{MIRROR}?namespace=other"),
    Call(
        "scale in an unknown namespace",
        "POST",
        f"/system/scale-function/{MIRROR}?namespace=other",
        {"serviceName": MIRROR, "replicas": 2},
    ),
    Call(
        "remove in an unknown namespace",
        "DELETE",
        "/system/functions?namespace=other",
        {"functionName": MIRROR},
    ),
    Call("secrets of an unknown namespace", "GET", "/system/secrets?namespace=other"),
    Call(
        "make a secret in an unknown namespace",
        "POST",
        "/system/secrets",
        {"name": "token", "value": "x", "namespace": "other"},
    ),
    Call("logs in an unknown namespace", "GET", f"/system/logs?name={MIRROR}&namespace=other"),
    Call("invoke in an unknown namespace", "GET", f"/function/{MIRROR}.other", login=NOBODY),
)
NOT_JSON = calls(
    Call("deploy what is not JSON", "POST", "/system/functions", b"{"),
    Call("update with what is not JSON", "PUT", "/system/functions", b"{"),
    Call("remove with what is not JSON", "DELETE", "/system/functions", b"{"),
    Call("scale with what is not JSON", "POST", f"/system/scale-function/{MIRROR}", b"{"),
    Call("make a secret of what is not JSON", "POST", "/system/secrets", b"{"),
    Call("deploy a list", "POST", "/system/functions", []),
    Call("deploy nothing", "POST", "/system/functions", b""),
    Call(
        "deploy with labels that are a text", "POST", "/system/functions", {**ABSENT, "labels": "x"}
    ),
)
NOT_THERE = calls(
    Call("update a function that is not there", "PUT", "/system/functions", ABSENT),
    Call(
        "remove a function that is not there",
        "DELETE",
        "/system/functions",
        {"functionName": "absent"},
    ),
    Call("remove without a name", "DELETE", "/system/functions", {}),
    Call("describe a function that is not there", "GET", "/system/function/absent"),
    Call(
        "describe by the name with its namespace", "GET", f"/system/function/{MIRROR}.openfaas-fn"
    ),
    Call(
        "scale a function that is not there",
        "POST",
        "/system/scale-function/absent",
        {"serviceName": "absent", "replicas": 1},
    ),
    Call("invoke a function that is not there", "POST", "/function/absent", b"x", login=NOBODY),
    Call("invoke without a name", "GET", "/function/", login=NOBODY),
    Call("invoke a name with a character too many", "GET", "/function/a+b", login=NOBODY),
)

CASES = (*OPEN, *WITHOUT_LOGIN, *METHODS, *NAMESPACES, *NOT_JSON, *NOT_THERE)
