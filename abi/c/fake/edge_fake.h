/* Plays the edge for a plugin's tests: no module is built, the handler runs natively. A
 * test says what sandboxes answer, makes a request, and looks at the decision.
 *
 *	edge_fake *edge = edge_fake_new();
 *	edge_fake_answer(edge, "exec", "{\"stdout\":\"hello\",\"exitCode\":0}");
 *	const edge_fake_outcome *got = edge_fake_websocket(edge, "/ws/echo?id=one");
 *	assert(got->decision == EDGE_FAKE_CONNECT && got->port == 8080);
 *	edge_fake_free(edge);
 *
 * Nothing happens to a decision after it was made: that is the edge's part. One fake is at
 * work at a time. What it is given must stay until it is freed, and so long stays what it
 * gives. */

#ifndef EDGE_FAKE_H
#define EDGE_FAKE_H

#include "../edge.h"

typedef struct edge_fake edge_fake;

typedef enum edge_fake_decision {
	EDGE_FAKE_NONE,
	EDGE_FAKE_RESPOND,
	EDGE_FAKE_CONNECT,
	EDGE_FAKE_PROXY,
	EDGE_FAKE_NEXT,
	EDGE_FAKE_PLAN,
	EDGE_FAKE_FAIL,
} edge_fake_decision;

/* One operation, or fetch, that the plugin asked for. */
typedef struct edge_fake_call {
	edge_str name, json;
} edge_fake_call;

#define EDGE_FAKE_CALLS 64

/* What the plugin did with one request. */
typedef struct edge_fake_outcome {
	edge_fake_decision decision;
	/* What edge_request answered: 0, or -errno, which the edge answers with PLUGIN_FAILED. */
	int result;
	/* Of an answer; ended tells whether one in pieces came to its end. */
	int status;
	edge_pairs headers;
	edge_str body;
	bool ended;
	/* Of a connection or proxy. */
	edge_str binding, id;
	uint16_t port;
	/* The options or the plan, as JSON. */
	edge_str json;
	/* Of a failure. */
	edge_code code;
	edge_error error;
	/* The edits: the path and query that a backend would get. */
	edge_str path, query;
	edge_fake_call calls[EDGE_FAKE_CALLS];
	size_t call_count;
	/* What it sent to streams and sockets, logged and counted, one after the other. */
	edge_str sent, log, metrics;
} edge_fake_outcome;

/* A fake edge, which answers every operation with an error that names it. */
edge_fake *edge_fake_new(void);
void edge_fake_free(edge_fake *edge);

/* Says how an operation is answered: with JSON, or with an error. Several for the same
 * operation are used in order, and the last stays. */
void edge_fake_answer(edge_fake *edge, const char *op, const char *json);
void edge_fake_refuse(edge_fake *edge, const char *op, edge_code code, const char *message);

/* Sets one value of the plugin's "config:", as JSON, and one of its "secrets:". */
void edge_fake_config(edge_fake *edge, const char *key, const char *json);
void edge_fake_secret(edge_fake *edge, const char *name, edge_str secret);

/* The next message that a stream or socket sends; after the last it closes, with 1000
 * unless another code was set. Operations that are streams, and "wsOpen", need no answer. */
void edge_fake_message(edge_fake *edge, bool binary, edge_str data);
void edge_fake_closes(edge_fake *edge, int code);

/* What servers on the network answer. */
void edge_fake_fetched(edge_fake *edge, int status, edge_str body);

/* Makes every request one for a preview, or none. */
void edge_fake_preview(edge_fake *edge, bool is);

/* Have the plugin decide; target is the path with the query. */
const edge_fake_outcome *edge_fake_get(edge_fake *edge, const char *target);
const edge_fake_outcome *edge_fake_websocket(edge_fake *edge, const char *target);
const edge_fake_outcome *edge_fake_request(edge_fake *edge, const char *method, const char *target, const edge_pairs *headers, edge_str body);

/* Tells the plugin of an event, given as JSON, and returns its errno. */
int edge_fake_event(edge_fake *edge, const char *json);

/* A request that is none, for code that needs one: it reaches no fake. */
edge_request *edge_fake_memory(edge_fake *edge);

#endif
