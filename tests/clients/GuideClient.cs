// A player program as the protocol's client guide describes it for C#, compiled with Mono's mcs.
//
// Its habits are the point, so do not make it better than a guide's reader would:
// - TcpClient and SslStream with a validation callback that accepts every certificate;
// - StreamReader and StreamWriter with Encoding.UTF8 and AutoFlush, so that a byte order mark goes out first, in a
//   TLS record of its own, and lines end as the platform (or the argument) says;
// - a listening task of its own acts on replies, the login just waits a second;
// - UDP goes to the host *name*, sealed with AES-CBC once the login said so.
// JSON is written and searched by hand, because the guide's library does not exist here.
//
// Run: GuideClient.exe HOST PORT NAME PASSWORD lf|crlf [wait]
// With "wait" it waits for a line on standard input between creating the room and starting the game, and after its
// last datagram until as many datagrams of others as that line says have arrived.
using System;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading.Tasks;

sealed class DatagramSeal
{
    const string SharedSecret = "RacingServerUDP2024!";
    readonly Aes aes = Aes.Create();

    public DatagramSeal(string sessionId)
    {
        byte[] digest;
        using (var sha = SHA256.Create())
            digest = sha.ComputeHash(Encoding.UTF8.GetBytes(sessionId + SharedSecret));
        var iv = new byte[16];
        Array.Copy(digest, 16, iv, 0, 16);
        aes.Mode = CipherMode.CBC;
        aes.Padding = PaddingMode.PKCS7;
        aes.Key = digest;
        aes.IV = iv;
    }

    public byte[] Seal(string text)
    {
        var plain = Encoding.UTF8.GetBytes(text);
        using (var encryptor = aes.CreateEncryptor())
        {
            var body = encryptor.TransformFinalBlock(plain, 0, plain.Length);
            var datagram = new byte[4 + body.Length];
            BitConverter.GetBytes(body.Length).CopyTo(datagram, 0);
            body.CopyTo(datagram, 4);
            return datagram;
        }
    }

    public string Open(byte[] datagram)
    {
        if (datagram.Length < 4 || BitConverter.ToInt32(datagram, 0) != datagram.Length - 4)
            return null;
        using (var decryptor = aes.CreateDecryptor())
            return Encoding.UTF8.GetString(decryptor.TransformFinalBlock(datagram, 4, datagram.Length - 4));
    }
}

sealed class GuideClient
{
    readonly string host;
    readonly int port;
    TcpClient tcp;
    SslStream tls;
    StreamReader reader;
    StreamWriter writer;
    UdpClient udp;
    DatagramSeal seal;
    string sessionId;
    Task listening;
    volatile bool loggedIn;

    public GuideClient(string host, int port)
    {
        this.host = host;
        this.port = port;
    }

    static void Say(string text)
    {
        lock (Console.Out)
        {
            Console.Out.WriteLine(text);
            Console.Out.Flush();
        }
    }

    static bool AcceptEverything(object sender, X509Certificate certificate, X509Chain chain, SslPolicyErrors errors)
    {
        Say("certificate " + certificate.GetCertHashString() + " " + errors);
        return true;
    }

    public async Task<bool> Connect(string lineEnd)
    {
        tcp = new TcpClient();
        await tcp.ConnectAsync(host, port);
        tls = new SslStream(tcp.GetStream(), false, AcceptEverything);
        await tls.AuthenticateAsClientAsync(host);
        reader = new StreamReader(tls, Encoding.UTF8);
        writer = new StreamWriter(tls, Encoding.UTF8) { AutoFlush = true, NewLine = lineEnd };
        var greeting = await reader.ReadLineAsync();
        if (greeting == null || !greeting.StartsWith("CONNECTED|"))
            return false;
        sessionId = greeting.Split('|')[1];
        Say("id " + sessionId);
        listening = Task.Run((Func<Task>)Listen);
        return true;
    }

    public async Task<bool> Login(string name, string password)
    {
        await writer.WriteLineAsync("{\"command\":\"NAME\",\"name\":\"" + name + "\",\"password\":\"" + password + "\"}");
        await Task.Delay(1000);
        return loggedIn;
    }

    public Task CreateRoom(string name)
    {
        return writer.WriteLineAsync("{\"command\":\"CREATE_ROOM\",\"name\":\"" + name + "\"}");
    }

    public Task StartGame()
    {
        return writer.WriteLineAsync("{\"command\":\"START_GAME\"}");
    }

    static string Number(float value)
    {
        return value.ToString("R", CultureInfo.InvariantCulture);
    }

    public async Task SendPosition(float x, float y, float z)
    {
        var text = "{\"command\":\"UPDATE\",\"sessionId\":\"" + sessionId + "\",\"position\":{\"x\":" + Number(x)
            + ",\"y\":" + Number(y) + ",\"z\":" + Number(z) + "},\"rotation\":{\"x\":0,\"y\":0,\"z\":0,\"w\":1}}";
        var datagram = seal != null ? seal.Seal(text) : Encoding.UTF8.GetBytes(text);
        await udp.SendAsync(datagram, datagram.Length, host, port);
        Say("datagram " + text);
    }

    public void Receive(int count)
    {
        udp.Client.ReceiveTimeout = 10000;
        for (var i = 0; i < count; i++)
        {
            var from = new IPEndPoint(IPAddress.Any, 0);
            Say("heard " + seal.Open(udp.Receive(ref from)));
        }
    }

    async Task Listen()
    {
        try
        {
            while (tcp.Connected)
            {
                var line = await reader.ReadLineAsync();
                if (line == null)
                    break;
                Say("line " + line);
                Act(line);
            }
        }
        catch (Exception problem)
        {
            Say("listening ended: " + problem.GetType().Name);
        }
    }

    void Act(string line)
    {
        if (!line.StartsWith("{\"command\":\"NAME_OK\""))
            return;
        if (line.Contains("\"authenticated\":true") && line.Contains("\"udpEncryption\":true"))
        {
            seal = new DatagramSeal(sessionId);
            udp = new UdpClient();
        }
        loggedIn = line.Contains("\"authenticated\":true");
    }

    public void Disconnect()
    {
        if (udp != null)
            udp.Close();
        tls.Close();
        tcp.Close();
        listening.Wait(1000);
    }

    static async Task Run(string[] arguments)
    {
        var client = new GuideClient(arguments[0], int.Parse(arguments[1], CultureInfo.InvariantCulture));
        if (!await client.Connect(arguments[4] == "crlf" ? "\r\n" : "\n"))
            return;
        if (await client.Login(arguments[2], arguments[3]))
        {
            await client.CreateRoom("Test Room");
            var expected = 0;
            if (arguments.Length > 5)
                expected = int.Parse(Console.In.ReadLine(), CultureInfo.InvariantCulture);
            await client.StartGame();
            for (var i = 0; i < 10; i++)
            {
                await client.SendPosition(i + 0.5f, -2, 0.8f);
                await Task.Delay(100);
            }
            client.Receive(expected);
        }
        Say(client.loggedIn ? "logged in" : "not logged in");
        client.Disconnect();
    }

    static int Main(string[] arguments)
    {
        Run(arguments).GetAwaiter().GetResult();
        return 0;
    }
}
