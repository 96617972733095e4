package cli

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"redoubt/internal/server/servertest"
)

// TestMain makes the test binary the program itself under each of its names, for the scripts.
func TestMain(m *testing.M) {
	program := func() {
		env := OS()
		env.Now = nil
		os.Exit(Main(context.Background(), os.Args, env))
	}
	names := map[string]func(){}
	for _, name := range []string{"redoubt", "clrg", "clrs", "cluster", "scha_cluster_get", "crm_node", "crm_attribute"} {
		names[name] = program
	}
	testscript.Main(m, names)
}

// TestScripts runs the program as a person does, against the real server and control layer.
func TestScripts(t *testing.T) {
	alone := serve(t, servertest.Alone())
	c, _ := servertest.Cluster(t)
	member := serve(t, c)
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, UpdateScripts: *update, Setup: func(e *testscript.Env) error {
		e.Setenv("REDOUBT_SOCKET", alone)
		e.Setenv("MEMBER", member)
		return nil
	}})
}
