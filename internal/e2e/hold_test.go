package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// hold is the client with long connections: it opens so many, asks by each again and again until the file flag appears, and prints how each fared.
func hold(address, connections, flag string) {
	n, err := strconv.Atoi(connections)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fates := make([]string, n)
	var open, done sync.WaitGroup
	open.Add(n)
	done.Add(n)
	for i := range n {
		go func() {
			defer done.Done()
			fates[i] = holdOne(address, flag, open.Done)
		}()
	}
	open.Wait()
	if err := os.WriteFile(flag+".ready", nil, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	done.Wait()
	fmt.Println(strings.Join(fates, "\n"))
	os.Exit(0)
}

// holdOne is one connection, which is never made again; opened is called once when it has its first answer, or will never have one.
func holdOne(address, flag string, opened func()) string {
	who := "nobody"
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err == nil {
		defer func() { _ = conn.Close() }()
	}
	answers := bufio.NewReader(conn)
	ask := func() error {
		if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", address); err != nil {
			return err
		}
		r, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		defer func() { _ = r.Body.Close() }()
		b, err := io.ReadAll(r.Body)
		if now := strings.TrimSpace(string(b)); who == "nobody" {
			who = now
		} else if err == nil && now != who {
			err = fmt.Errorf("%s answers", now)
		}
		if err == nil && r.Close {
			err = fmt.Errorf("the server closes")
		}
		return err
	}
	if err == nil {
		err = ask()
	}
	opened()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for err == nil {
		if _, gone := os.Stat(flag); gone == nil {
			return who + " ok"
		}
		<-tick.C
		err = ask()
	}
	return fmt.Sprintf("%s broken at %s: %v", who, time.Now().Format("15:04:05.000"), err)
}
