// SPDX-License-Identifier: Apache-2.0

// A client of HTTP/3 by quic-go, as foreign as can be: http3_client AUTHORITY URL... asks for all at once on one line. Bodies
// go to stdout in the order asked, "STATUS PATH" of each to stderr.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"

	"github.com/lucas-clemente/quic-go/http3"
)

type answer struct {
	status int
	path   string
	body   []byte
	err    error
}

func ask(client *http.Client, address string) (got answer) {
	response, err := client.Get(address)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	where, _ := url.Parse(address)
	got.status, got.path = response.StatusCode, where.Path
	got.body, got.err = io.ReadAll(response.Body)
	return got
}

func main() {
	authority, err := os.ReadFile(os.Args[1])
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(authority) {
		fmt.Fprintln(os.Stderr, "no authority")
		os.Exit(2)
	}
	transport := &http3.RoundTripper{TLSClientConfig: &tls.Config{RootCAs: pool}}
	client := &http.Client{Transport: transport}
	answers := make([]answer, len(os.Args)-2)
	var all sync.WaitGroup
	for i, address := range os.Args[2:] {
		all.Add(1)
		go func(i int, address string) {
			defer all.Done()
			answers[i] = ask(client, address)
		}(i, address)
	}
	all.Wait()
	failed := false
	for _, got := range answers {
		if got.err != nil {
			fmt.Fprintln(os.Stderr, got.err)
			failed = true
			continue
		}
		os.Stdout.Write(got.body)
		fmt.Fprintln(os.Stderr, got.status, got.path)
	}
	transport.Close()
	if failed {
		os.Exit(1)
	}
}
