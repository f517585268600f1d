//! Java, which keeps its roots of trust in a form of its own: inside it trusts the run's authority where the others do, and
//! what it trusted before.
//!
//! Not the clients that read files in PEM, which are among the `cases`.

use super::{POLICY, run};
use crate::internet::{self, line};
use crate::row::{Outcome, Row};
use crate::session::Session;

const TOOLS: [&str; 4] = ["node", "openssl", "java", "keytool"];

/// Both of its clients make the request. Unfenced they are told by name whom to trust; fenced nobody tells them.
const CLIENTS: &str = r#"
cat >A.java <<'E'
import java.net.*; import java.net.http.*; import java.security.cert.*; import javax.net.ssl.*;
public class A {
  public static void main(String[] a) throws Exception {
    for (int i = 0; i < a.length; i += 2) {
      HttpsURLConnection c = (HttpsURLConnection) new URL(a[i + 1]).openConnection();
      c.setRequestMethod(a[i]);
      int code = c.getResponseCode();
      System.out.println(code + " " + new String((code < 400 ? c.getInputStream() : c.getErrorStream()).readAllBytes()));
      HttpRequest q = HttpRequest.newBuilder(URI.create(a[i + 1])).method(a[i], HttpRequest.BodyPublishers.noBody()).build();
      HttpResponse<String> r = HttpClient.newHttpClient().send(q, HttpResponse.BodyHandlers.ofString());
      System.out.println(r.statusCode() + " " + r.body());
      Certificate leaf = r.sslSession().get().getPeerCertificates()[0];
      System.err.println("issuer of " + a[i + 1] + ": " + ((X509Certificate) leaf).getIssuerX500Principal());
    }
  }
}
E
if [ -z "$NODE_EXTRA_CA_CERTS" ]; then
  keytool -importcert -noprompt -alias x -file $SSL_CERT_FILE -storetype JKS -keystore x.store -storepass changeit 2>/dev/null
  set -- -Djavax.net.ssl.trustStore=$PWD/x.store
fi
"#;

pub(super) fn rows() -> Vec<Row> {
    use internet::row;
    vec![
        row("works: through the inspector: java", &[], &TOOLS, works),
        row("inspect: a path that java asks for", &[49, 50], &TOOLS, refused),
        row("inspect: a java of the project's own gains the authority and keeps its roots", &[], &TOOLS, own),
    ]
}

/// A host that is looked into, its neighbour, and one of its own.
fn works(session: &Session) -> Result<Outcome, String> {
    let asked = "GET https://api.example/ok/1 GET https://shared.example/2 GET https://other.example/3";
    let line = format!("{CLIENTS}java \"$@\" A.java {asked}");
    let bare = run(session, None, &[], &line)?;
    if bare.ran.code != 0 {
        return Ok(bare.proves(false));
    }
    let fenced = run(session, Some(POLICY), &[], &line)?;
    let issuers = fenced.ran.err();
    let is_issued = |asked: &str, by: &str| issuers.contains(&format!("issuer of https://{asked}: {by}\n"));
    let good = is_issued("api.example/ok/1", "CN=\"ringfence, this run alone\"")
        && is_issued("shared.example/2", "CN=roots")
        && is_issued("other.example/3", "CN=roots");
    if good { fenced.does_as(&bare) } else { Err(fenced.describe()) }
}

fn refused(session: &Session) -> Result<Outcome, String> {
    let asked = "GET https://api.example/ok/alive GET https://api.example/no";
    let line = format!("{CLIENTS}java \"$@\" A.java {asked}");
    let fenced = run(session, Some(POLICY), &[], &line)?;
    fenced.holds("/ok/alive", fenced.log.contains(" /no "))?;
    if fenced.ran.out().matches("403 ringfence refused GET api.example:443/no").count() != 2 {
        return Err(fenced.describe());
    }
    let bare = run(session, None, &[], &line)?;
    Ok(bare.proves(bare.has("request tls/1 203.0.113.12 GET api.example /no")))
}

/// Stores of both forms, which keytool reads again: with a password, so that it checks the digest. One that is denied stays
/// so, and so does what it holds.
fn own(session: &Session) -> Result<Outcome, String> {
    const STORES: &str = "mkdir -p jdk/lib/security jdk/jre/lib/security\n\
         put() { keytool $3 $4 -importcert -noprompt -alias x -file ${SSL_CERT_FILE%roots.pem}strangers.pem \
         -storetype $1 -keystore $2 -storepass changeit 2>/dev/null; }\n\
         put JKS jdk/lib/security/cacerts\n\
         put PKCS12 jdk/jre/lib/security/cacerts -J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE \
         -J-Dkeystore.pkcs12.macAlgorithm=NONE\n\
         cp jdk/lib/security/cacerts jdk/lib/security/jssecacerts\n";
    let list = "for s in jdk/lib/security/cacerts jdk/jre/lib/security/cacerts; do\n\
         keytool -list -v -keystore $s -storepass changeit | grep Owner: | sort -u; done\n\
         cat jdk/lib/security/jssecacerts >/dev/null 2>&1 && echo what is denied was read || true";
    let place = session.place()?;
    let home = place.work.join("jdk").display().to_string();
    let variables = [("JAVA_HOME", home.as_str())];
    let bare = internet::with_secure(session, &place, (None, &variables), &format!("{STORES}{list}"))?;
    let strangers = "Owner: CN=strangers\n";
    if bare.ran.out() != format!("{}what is denied was read\n", strangers.repeat(2)) {
        return Ok(bare.proves(false));
    }
    let more = ["--env", "JAVA_HOME", "--deny", "jdk/lib/security/jssecacerts"].map(str::to_owned);
    let flags = [&line::policy(&place, POLICY)?[..], &more].concat();
    let fenced = internet::with_secure(session, &place, (Some(&flags), &variables), list)?;
    let both = format!("Owner: CN=\"ringfence, this run alone\"\nOwner: CN=roots\n{strangers}");
    fenced.judge(fenced.ran.out() == both.repeat(2))
}
