"""Judges the MCP server with the official Python client: MCP_URL, PROGRAM, TOKEN, VIEWER, SENDER.

The same questions over standard input and over HTTP; then what must not be possible.
"""

import asyncio
import sys

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

TOOLS = {
    "list_incidents", "get_incident", "get_evidence", "get_hypotheses", "get_journal", "why", "similar_incidents",
    "investigate", "search_memory", "runbooks",
}


def over_http(url, token, **options):
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return Client(streamable_http_client(url, http_client=httpx2.AsyncClient(headers=headers)), **options)


async def ask(client, name, **arguments):
    answer = await client.call_tool(name, arguments)
    assert not answer.is_error, (name, answer.content)
    return answer.structured_content


async def story(client, how):
    """Opens an incident and reads everything about it."""
    listed = await client.list_tools()
    assert {tool.name for tool in listed.tools} == TOOLS, [tool.name for tool in listed.tools]
    assert all(tool.annotations.read_only_hint == (tool.name != "investigate") for tool in listed.tools)
    opened = await ask(client, "investigate", title=f"the mill is slow ({how})", description="since noon", severity="high")
    incident = opened["id"]
    for _ in range(150):
        seen = await ask(client, "get_incident", incident_id=incident)
        if seen["phase"] not in ("queued", "observing", "reasoning"):
            break
        await asyncio.sleep(0.2)
    assert seen["severity"] == "high" and seen["phase"] == "escalated", seen
    found = await ask(client, "list_incidents", q=how, limit=5)
    assert [one["id"] for one in found["incidents"]] == [incident], found
    journal = await ask(client, "get_journal", incident_id=incident, limit=2)
    assert len(journal["entries"]) == 2 and journal["next_cursor"], journal
    assert "evidence" in await ask(client, "get_evidence", incident_id=incident)
    assert "hypotheses" in await ask(client, "get_hypotheses", incident_id=incident)
    assert (await ask(client, "why", incident_id=incident, question="why?"))["text"]
    await ask(client, "similar_incidents", incident_id=incident)
    await ask(client, "search_memory", q="mill")
    await ask(client, "runbooks")
    postmortem = await client.read_resource(f"sentinell://incidents/{incident}/postmortem")
    assert how in postmortem.contents[0].text, postmortem
    for name, arguments in [
        ("get_incident", {"incident_id": "nope"}),
        ("get_incident", {"incident_id": "../tokens"}),
        ("get_incident", {"incident_id": ".."}),
        ("list_incidents", {"limit": 1000}),
        ("list_incidents", {"unknown": "x"}),
    ]:
        answer = await client.call_tool(name, arguments)
        assert answer.is_error, (name, arguments, answer)
    for name in ("approve", "reject", "post_api_policies"):
        try:
            answer = await client.call_tool(name, {"incident_id": incident})
        except Exception:
            continue
        assert answer.is_error, (name, answer)
    print(f"{how}: {len(listed.tools)} tools, protocol {client.protocol_version}, server {client.server_info.version}")
    return incident


async def main(url, program, token, viewer, sender):
    async with over_http(url, token) as client:
        await story(client, "http")
    async with over_http(url, token, mode="legacy") as client:
        await story(client, "legacy")
    environment = {"SENTINELL_OPERATOR_TOKEN": token, "HOME": "/nonexistent"}
    child = StdioServerParameters(command=program, args=["mcp", "--server", url.removesuffix("/mcp")], env=environment)
    async with Client(stdio_client(child)) as client:
        await story(client, "stdio")
    async with over_http(url, viewer) as client:
        await ask(client, "list_incidents")
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {sender}"}) as raw:
        answer = await raw.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert answer.status_code == 403, answer.status_code
    for wrong in (None, "wrong-token"):
        async with httpx2.AsyncClient(headers={"authorization": f"Bearer {wrong}"} if wrong else {}) as raw:
            answer = await raw.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
            assert answer.status_code == 401, answer.status_code
    print("roles: a viewer is answered; who only sends, and strangers, are told nothing")


asyncio.run(main(*sys.argv[1:]))
