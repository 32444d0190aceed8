/* The plugin's decisions, natively. */

#include <stdio.h>

#include "fake/edge_fake.h"

static int failures;

static void check(bool good, const char *what, int line)
{
	if (!good) {
		fprintf(stderr, "plugin_test.c:%d: %s\n", line, what);
		failures++;
	}
}

#define CHECK(condition) check(condition, #condition, __LINE__)

static void connects_to_a_server_that_is_up(void)
{
	edge_fake *edge = edge_fake_new();
	edge_fake_answer(edge, "waitForPort", "{\"port\":8080}");
	const edge_fake_outcome *got = edge_fake_websocket(edge, "/ws/echo-c?id=mine");
	CHECK(got->decision == EDGE_FAKE_CONNECT && got->port == 8080 && edge_is(got->id, "mine") && edge_is(got->binding, "Sandbox"));
	CHECK(got->call_count == 1);
	edge_fake_free(edge);
}

static void starts_a_server_that_is_missing(bool exists)
{
	edge_fake *edge = edge_fake_new();
	edge_fake_refuse(edge, "waitForPort", EDGE_CODE_PROCESS_NOT_FOUND, "there is no process \"ws-echo\"");
	edge_fake_answer(edge, "waitForPort", "{\"port\":8080}");
	edge_fake_answer(edge, "writeFile", "{}");
	if (exists) /* another request was faster */
		edge_fake_refuse(edge, "startProcess", EDGE_CODE_PROCESS_ALREADY_EXISTS, "process \"ws-echo\" already exists");
	else
		edge_fake_answer(edge, "startProcess", "{}");
	const edge_fake_outcome *got = edge_fake_websocket(edge, "/ws/echo-c");
	CHECK(got->decision == EDGE_FAKE_CONNECT && edge_is(got->id, "echo-service"));
	CHECK(got->call_count == 4 && edge_is(got->calls[1].name, "writeFile") && edge_is(got->calls[2].name, "startProcess"));
	edge_fake_free(edge);
}

static void tells_the_state(void)
{
	edge_fake *edge = edge_fake_new();
	edge_fake_answer(edge, "getState", "{\"state\":\"running\",\"connections\":2}");
	const edge_fake_outcome *got = edge_fake_get(edge, "/ws/echo-c?id=mine");
	CHECK(got->status == 200 && edge_is(got->body, "{\"id\":\"mine\",\"state\":\"running\",\"connections\":2}"));
	edge_fake_free(edge);
}

static void refuses(void)
{
	edge_fake *edge = edge_fake_new();
	edge_fake_answer(edge, "waitForPort", "{\"port\":8080}");
	CHECK(edge_fake_websocket(edge, "/ws/echo-c?id=Not%20Good")->code == EDGE_CODE_INVALID_SANDBOX_ID);
	CHECK(edge_fake_websocket(edge, "/ws/echo-c?id=www")->code == EDGE_CODE_INVALID_SANDBOX_ID);
	CHECK(edge_fake_request(edge, "POST", "/ws/echo-c", NULL, EDGE_STR(""))->code == EDGE_CODE_INVALID_REQUEST);
	edge_fake_free(edge);

	edge = edge_fake_new();
	edge_fake_refuse(edge, "waitForPort", EDGE_CODE_PROCESS_NOT_FOUND, "there is no process \"ws-echo\"");
	edge_fake_answer(edge, "writeFile", "{}");
	edge_fake_refuse(edge, "startProcess", EDGE_CODE_COMMAND_NOT_FOUND, "there is no bun");
	CHECK(edge_fake_websocket(edge, "/ws/echo-c")->code == EDGE_CODE_COMMAND_NOT_FOUND);
	edge_fake_free(edge);
}

int main(void)
{
	connects_to_a_server_that_is_up();
	starts_a_server_that_is_missing(false);
	starts_a_server_that_is_missing(true);
	tells_the_state();
	refuses();
	if (failures == 0)
		printf("ok\n");
	return failures ? 1 : 0;
}
