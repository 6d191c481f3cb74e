using System;
using System.Diagnostics;
using System.IO;
using System.Net.Sockets;
using System.Text;
using NasCampaign.Exerciser;

namespace NasCampaign.Fuzz;

/// <summary>
/// Control-socket messages that no client sends, to a mount of the program itself: they are answered or the connection
/// is closed, the mount is served as before, and its process keeps its size.
/// </summary>
sealed class FuzzControl : ICampaign
{
    const long GrowthBytesMax = 64L << 20;

    static readonly string[] s_corpus =
    [
        "GET /mount HTTP/1.1\r\nHost: nashammer\r\n\r\n",
        "GET /pfs/0 HTTP/1.1\r\nHost: nashammer\r\n\r\n",
        "GET /pfs/99999999999 HTTP/1.1\r\nHost: nashammer\r\n\r\n",
        "POST /synctid HTTP/1.1\r\nHost: nashammer\r\nContent-Length: 0\r\n\r\n",
        "POST /pfs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"slave\":true}",
        "POST /pfs/1/update HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 33\r\n\r\n"
            + "{\"label\":\"name\",\"pruneMin\":86400}",
        "POST /pfs/1/upgrade HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "POST /mirror/source HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: nashammer-mirror\r\n\r\n"
            + "\0\0\0\0\x10",
        "POST /mirror/target HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: nashammer-mirror\r\n\r\n",
    ];

    public string Name => "fuzz-control";

    public void RunRound(CampaignContext c)
    {
        using var mount = new RealMount(1L << 30, "-u", "8m");
        mount.Mount("defaults");
        string socket = mount.ControlSocket;
        string marker = Path.Combine(mount.Dir, "marker");
        File.WriteAllText(marker, "still here");
        using Process server = mount.Server() ?? throw new CampaignFinding("the mount has no server");
        Alive(c, mount, server, marker, "before");
        server.Refresh();
        long before = server.WorkingSet64;
        int count = c.IsSmoke ? 60 : 1500;
        for (int i = 0; i < count && !c.TimeIsUp; i++)
        {
            string where = $"seed {c.Seed}, message {i}";
            var random = new Random(unchecked((int)(c.Seed * 1_000_003) + i));
            byte[] message = Encoding.Latin1.GetBytes(s_corpus[random.Next(s_corpus.Length)]);
            Send(socket, random.Next(6) == 0 ? message : FuzzBytes.Mutate(message, random));
            c.Count("inputs");
            if (i % 20 == 19) Alive(c, mount, server, marker, where);
        }
        Alive(c, mount, server, marker, "at the end");
        server.Refresh();
        long grown = server.WorkingSet64 - before;
        if (grown > GrowthBytesMax)
            throw new CampaignFinding("the server has grown", $"seed {c.Seed}", $"{grown >> 20} MiB");
        mount.Unmount();
        mount.Check($"seed {c.Seed}");
    }

    static void Send(string path, byte[] message)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.ReceiveTimeout = 50;
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            socket.Send(message);
            byte[] answer = new byte[4096];
            _ = socket.Receive(answer);
        }
        catch (SocketException)
        {
            // A refusal, or a message that waits for its rest: the server is asked afterwards.
        }
    }

    static void Alive(CampaignContext c, RealMount mount, Process server, string marker, string where)
    {
        if (server.HasExited) throw new CampaignFinding("the server has died", where, $"seed {c.Seed}");
        if (File.ReadAllText(marker) != "still here") throw new CampaignFinding("a file has changed", where, "");
        (int code, string output) = RealMount.Run("synctid", mount.Dir);
        if (code != 0) throw new CampaignFinding("the server does not answer", where, output);
    }
}
